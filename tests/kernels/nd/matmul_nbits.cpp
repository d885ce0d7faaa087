// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/matmul_nbits.hpp"

#include <doctest/doctest.h>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

/// What the zero points are: none, packed like the weights, or f32.
enum class zeros { none, packed, real };

struct shape {
  std::int64_t rows, n, k;
  std::int32_t bits, block;
};

tensor<std::uint8_t> bytes(std::initializer_list<std::int64_t> dims, std::uint64_t seed) {
  tensor<std::uint8_t> t(dims);
  dsmm::rng numbers(seed);
  for (std::uint8_t& v : t.values()) v = static_cast<std::uint8_t>(numbers.below(256));
  return t;
}

std::uint32_t field(const tensor<std::uint8_t>& from, std::int64_t row, std::int64_t i, std::int32_t bits) {
  return static_cast<std::uint32_t>(from[static_cast<std::size_t>(row + i * bits / 8)]) >> (i * bits % 8) &
         ((1u << bits) - 1);
}

void check(const shape& s, zeros kind, bool has_bias, bool names_blocks) {
  const std::int64_t blocks = (s.k + s.block - 1) / s.block, block_bytes = s.block * s.bits / 8;
  const std::int64_t zero_bytes = (blocks * s.bits + 7) / 8;
  const auto a = tensor<float>::random({s.rows, s.k}, 1);
  const auto b = bytes({s.n, blocks, block_bytes}, 2), packed_zeros = bytes({s.n, zero_bytes}, 3);
  const auto scales = tensor<float>::random({s.n, blocks}, 4, 0.01f, 0.1f);
  const auto real_zeros = tensor<float>::random({s.n, blocks}, 5, 0, 15);
  const auto bias = tensor<float>::random({s.n}, 6);
  tensor<std::int32_t> blocks_of({s.k});
  for (std::int64_t i = 0; i < s.k; ++i)
    blocks_of.values()[static_cast<std::size_t>(i)] = static_cast<std::int32_t>((i * 7) % blocks);
  const nd::view none;
  tensor<float> expected({s.rows, s.n});
  for (std::int64_t r = 0; r < s.rows; ++r)
    for (std::int64_t j = 0; j < s.n; ++j) {
      float sum = 0.0f;
      for (std::int64_t i = 0; i < s.k; ++i) {
        const std::int64_t g = names_blocks ? blocks_of[static_cast<std::size_t>(i)] : i / s.block;
        float zero = static_cast<float>(1 << (s.bits - 1));
        if (kind == zeros::packed) zero = static_cast<float>(field(packed_zeros, j * zero_bytes, g, s.bits));
        if (kind == zeros::real) zero = real_zeros[static_cast<std::size_t>(j * blocks + g)];
        const float w = (static_cast<float>(field(b, j * blocks * block_bytes, i, s.bits)) - zero) *
                        scales[static_cast<std::size_t>(j * blocks + g)];
        sum = __builtin_fmaf(a[static_cast<std::size_t>(r * s.k + i)], w, sum);
      }
      expected.values()[static_cast<std::size_t>(r * s.n + j)] =
          has_bias ? sum + bias[static_cast<std::size_t>(j)] : sum;
    }
  const nd::view& z = kind == zeros::none ? none : kind == zeros::packed ? packed_zeros.view() : real_zeros.view();
  const nd::view &g = names_blocks ? blocks_of.view() : none, &add = has_bias ? bias.view() : none;
  const std::vector<std::int32_t> attributes{static_cast<std::int32_t>(s.k), static_cast<std::int32_t>(s.n), s.bits,
                                             s.block};
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    CAPTURE(set.name);
    for (const unsigned width : {1u, 3u}) {
      dsmm::thread_pool pool(width);
      tensor<float> y({s.rows, s.n});
      CHECK(nd_case::run_packed(nd::nd_matmul_nbits, nd::nd_matmul_nbits_packed_bytes, nd::nd_matmul_nbits_pack,
                                nullptr, {a.view(), b.view(), scales.view(), z, g, add}, {y.view()}, attributes,
                                nd::nd_matmul_nbits_scratch, set.id, pool.handle()) == !names_blocks);
      if (!names_blocks) CHECK(y.values() == expected.values());
    }
    tensor<float> y({s.rows, s.n});
    nd_case::run(nd::nd_matmul_nbits, {a.view(), b.view(), scales.view(), z, g, add}, {y.view()}, attributes,
                 nd::nd_matmul_nbits_scratch, set.id);
    CHECK(y.values() == expected.values());
  }
}

}  // namespace

TEST_CASE("nd_matmul_nbits: every variant, packed or not, equals one chain of multiply-adds with dequantized weights") {
  for (const std::int64_t rows : {1, 2, 3, 9, 40})
    for (const shape& s : {shape{rows, 1, 16, 4, 16}, shape{rows, 40, 100, 4, 32}, shape{rows, 150, 300, 4, 128},
                           shape{rows, 33, 70, 2, 16}, shape{rows, 70, 90, 8, 32}, shape{rows, 129, 64, 4, 256}})
      for (const zeros kind : {zeros::none, zeros::packed, zeros::real}) {
        CAPTURE(rows);
        CAPTURE(s.n);
        CAPTURE(s.bits);
        CAPTURE(static_cast<int>(kind));
        check(s, kind, s.n % 2 != 0, false);
      }
}

TEST_CASE("nd_matmul_nbits: blocks that are named one by one") {
  for (const std::int64_t rows : {1, 20}) check({rows, 40, 100, 4, 32}, zeros::packed, true, true);
}

TEST_CASE("nd_matmul_nbits: a row has the same bits alone and among others") {
  const auto a = tensor<float>::random({12, 200}, 1);
  const auto b = bytes({90, 7, 16}, 2);
  const auto scales = tensor<float>::random({90, 7}, 3, 0.01f, 0.1f);
  tensor<float> all({12, 90});
  const auto run = [&](const nd::view& x, const nd::view& y) {
    return nd_case::run_packed(nd::nd_matmul_nbits, nd::nd_matmul_nbits_packed_bytes, nd::nd_matmul_nbits_pack, nullptr,
                               {x, b.view(), scales.view()}, {y}, {200, 90, 4, 32}, nd::nd_matmul_nbits_scratch,
                               dsmm::best_isa());
  };
  CHECK(run(a.view(), all.view()));
  for (std::size_t r = 0; r < 12; ++r) {
    const tensor<float> x({1, 200},
                          std::vector<float>(a.values().begin() + static_cast<std::ptrdiff_t>(r * 200),
                                             a.values().begin() + static_cast<std::ptrdiff_t>(r * 200 + 200)));
    tensor<float> y({1, 90});
    CHECK(run(x.view(), y.view()));
    CHECK(std::equal(y.values().begin(), y.values().end(), all.values().begin() + static_cast<std::ptrdiff_t>(r * 90)));
  }
}
