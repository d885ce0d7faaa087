// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/matmul_integer.hpp"

#include <doctest/doctest.h>

#include <bit>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

template <class T>
tensor<T> bytes(std::initializer_list<std::int64_t> dims, std::uint64_t seed) {
  tensor<T> t(dims);
  dsmm::rng numbers(seed);
  for (T& v : t.values()) v = static_cast<T>(numbers.below(256));
  return t;
}

struct numbers {
  std::int64_t batch, m, n, k;
};

/// What the zero points are: none, one, or one per column.
enum class zeros { none, one, many };

template <class A, class B>
void check(const numbers& d, zeros of_b, int values) {
  const auto a = bytes<A>({d.batch, d.m, d.k}, 1), za = bytes<A>({}, 3);
  const auto b = bytes<B>({d.k, d.n}, 2);
  const auto zb = of_b == zeros::many ? bytes<B>({d.n}, 4) : bytes<B>({}, 4);
  const auto scale =
      values == 2 ? tensor<float>::random({d.n}, 5, 0.001f, 0.02f) : tensor<float>::random({}, 5, 0.001f, 0.02f);
  const auto bias = tensor<float>::random({d.n}, 6);
  const nd::view none;
  const std::vector<std::int32_t> no_attributes(1);

  tensor<std::int32_t> sums({d.batch, d.m, d.n});
  tensor<float> real({d.batch, d.m, d.n});
  for (std::int64_t r = 0; r < d.batch * d.m; ++r)
    for (std::int64_t j = 0; j < d.n; ++j) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < d.k; ++i) {
        const int zero_b = of_b == zeros::none ? 0 : zb[of_b == zeros::many ? static_cast<std::size_t>(j) : 0];
        sum += (a[static_cast<std::size_t>(r * d.k + i)] - za[0]) * (b[static_cast<std::size_t>(i * d.n + j)] - zero_b);
      }
      const auto at = static_cast<std::size_t>(r * d.n + j);
      sums.values()[at] = static_cast<std::int32_t>(sum);
      const float v = static_cast<float>(sums[at]) * scale[values == 2 ? static_cast<std::size_t>(j) : 0];
      real.values()[at] = values == 0 ? std::bit_cast<float>(sums[at]) : v + bias[static_cast<std::size_t>(j)];
    }

  const nd::view &s = values == 0 ? none : scale.view(), &add = values == 0 ? none : bias.view();
  const nd::view& z = of_b == zeros::none ? none : zb.view();
  const auto bits_of = [](const tensor<float>& t) {
    std::vector<std::uint32_t> out;
    for (const float v : t.values()) out.push_back(std::bit_cast<std::uint32_t>(v));
    return out;
  };
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    CAPTURE(set.name);
    for (const unsigned width : {1u, 3u}) {
      dsmm::thread_pool pool(width);
      tensor<float> y({d.batch, d.m, d.n});
      CHECK(nd_case::run_packed(nd::nd_matmul_integer, nd::nd_matmul_integer_packed_bytes, nd::nd_matmul_integer_pack,
                                nd::nd_matmul_integer_pack_scratch, {a.view(), b.view(), za.view(), z, s, add},
                                {y.view()}, no_attributes, nd::nd_matmul_integer_scratch, set.id, pool.handle()));
      CHECK(bits_of(y) == bits_of(real));
    }
  }
  tensor<float> y({d.batch, d.m, d.n});
  nd_case::run(nd::nd_matmul_integer, {a.view(), b.view(), za.view(), z, s, add}, {y.view()}, no_attributes,
               nd::nd_matmul_integer_scratch);
  CHECK(bits_of(y) == bits_of(real));
}

}  // namespace

TEST_CASE(
    "nd_matmul_integer: packed and plain give the exact sums, and the scaled ones, of all signs and zero points") {
  for (const numbers& d : {numbers{1, 1, 1, 1}, numbers{1, 1, 100, 64}, numbers{2, 3, 17, 7}, numbers{1, 29, 49, 33},
                           numbers{1, 130, 70, 20}, numbers{3, 50, 16, 12}})
    for (const zeros of_b : {zeros::none, zeros::one, zeros::many})
      for (const int values : {0, 1, 2}) {
        CAPTURE(d.m);
        CAPTURE(d.n);
        CAPTURE(static_cast<int>(of_b));
        CAPTURE(values);
        check<std::uint8_t, std::int8_t>(d, of_b, values);
        check<std::uint8_t, std::uint8_t>(d, of_b, values);
        check<std::int8_t, std::int8_t>(d, of_b, values);
        check<std::int8_t, std::uint8_t>(d, of_b, values);
      }
}

TEST_CASE("nd_matmul_integer: the largest sums of the largest depth do not wrap") {
  constexpr std::int64_t k = 1 << 15;
  tensor<std::uint8_t> a({1, k}), b({k, 1}), za({}), zb({});
  for (const bool negative : {false, true}) {
    std::fill(a.values().begin(), a.values().end(), std::uint8_t{255});
    std::fill(b.values().begin(), b.values().end(), negative ? std::uint8_t{0} : std::uint8_t{255});
    zb.values()[0] = negative ? 255 : 0;
    for (const auto& set : dsmm::isa_rows) {
      if (!set.here()) continue;
      tensor<std::int32_t> y({1, 1});
      CHECK(nd_case::run_packed(nd::nd_matmul_integer, nd::nd_matmul_integer_packed_bytes, nd::nd_matmul_integer_pack,
                                nd::nd_matmul_integer_pack_scratch, {a.view(), b.view(), za.view(), zb.view()},
                                {y.view()}, std::vector<std::int32_t>(1), nd::nd_matmul_integer_scratch, set.id));
      CHECK(y[0] == (negative ? -255 * 255 : 255 * 255) * k);
    }
  }
}

TEST_CASE("nd_matmul_integer: two matrices of a run, batch by batch, at every depth that f32 must be cut at") {
  dsmm::rng random(9);
  for (const std::int64_t k : {1, 63, 255, 256, 257, 512, 700})
    for (const bool extreme : {false, true}) {
      constexpr std::int64_t batch = 3, m = 115, n = 70;
      auto a = bytes<std::uint8_t>({batch, m, k}, 1), za = bytes<std::uint8_t>({}, 3);
      auto b = bytes<std::int8_t>({batch, k, n}, 2), zb = bytes<std::int8_t>({}, 4);
      if (extreme) {  // the largest sums that there are
        std::fill(a.values().begin(), a.values().end(), std::uint8_t{255});
        std::fill(b.values().begin(), b.values().end(), std::int8_t{-128});
        za.values()[0] = 0, zb.values()[0] = 127;
      }
      std::vector<std::int32_t> expected;
      for (std::int64_t r = 0; r < batch * m; ++r)
        for (std::int64_t j = 0; j < n; ++j) {
          std::int32_t sum = 0;
          for (std::int64_t i = 0; i < k; ++i)
            sum += (a[static_cast<std::size_t>(r * k + i)] - za[0]) *
                   (b[static_cast<std::size_t>((r / m * k + i) * n + j)] - zb[0]);
          expected.push_back(sum);
        }
      for (const auto& set : dsmm::isa_rows) {
        if (!set.here()) continue;
        CAPTURE(set.name);
        dsmm::thread_pool pool(1 + static_cast<unsigned>(random.below(3)));
        tensor<std::int32_t> y({batch, m, n});
        nd_case::run(nd::nd_matmul_integer, {a.view(), b.view(), za.view(), zb.view()}, {y.view()},
                     std::vector<std::int32_t>(1), nd::nd_matmul_integer_scratch, set.id, pool.handle());
        CHECK(y.values() == expected);
      }
    }
}

TEST_CASE("nd_matmul_integer: a zero point for each row") {
  const auto a = bytes<std::uint8_t>({2, 3}, 1), b = bytes<std::uint8_t>({3, 2}, 2), za = bytes<std::uint8_t>({2}, 3);
  tensor<std::int32_t> y({2, 2}), packed({2, 2});
  const std::vector<std::int32_t> none(1);
  nd_case::run(nd::nd_matmul_integer, {a.view(), b.view(), za.view()}, {y.view()}, none, nd::nd_matmul_integer_scratch);
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t j = 0; j < 2; ++j) {
      int sum = 0;
      for (std::size_t i = 0; i < 3; ++i) sum += (a[r * 3 + i] - za[r]) * b[i * 2 + j];
      CHECK(y[r * 2 + j] == sum);
    }
  CHECK(nd_case::run_packed(nd::nd_matmul_integer, nd::nd_matmul_integer_packed_bytes, nd::nd_matmul_integer_pack,
                            nd::nd_matmul_integer_pack_scratch, {a.view(), b.view(), za.view()}, {packed.view()}, none,
                            nd::nd_matmul_integer_scratch, dsmm::best_isa()));
  CHECK(packed.values() == y.values());
}
