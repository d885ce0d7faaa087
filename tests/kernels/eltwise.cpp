// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/eltwise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/add_u8.hpp"
#include "dsmm/kernels/mul_u8.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

using bytes = golden::guarded<std::uint8_t>;

void fill(bytes& t, std::uint64_t seed) {
  const auto v = golden::random_u8(t.buffer.size(), seed);
  t.buffer = v;
  t.view.data = t.buffer.data() + t.row + t.view.pixel;
}

const dsmm::extents shapes[] = {{1, 1, 1}, {3, 5, 7}, {2, 9, 16}, {4, 1, 33}};

}  // namespace

TEST_CASE("add and mul: exact for equal shapes, broadcast, dense and padded memory") {
  std::uint64_t hash = 0;
  const dsmm::quantization qa{0.1f, 7}, qb{0.03f, 200}, qy{0.11f, 90};
  for (const float gain : {1.0f, 64.0f})  // the second needs 64-bit sums
    for (const bool relu : {false, true})
      for (const dsmm::extents shape : shapes)
        for (const bool wide : {false, true})
          for (const bool same : {false, true}) {
            const std::int32_t pixel = wide ? (shape.c + 3) / 4 * 4 : shape.c;
            const dsmm::extents shape_b = same ? shape : dsmm::extents{1, 1, shape.c};
            bytes a(shape, pixel, 0), b(shape_b, pixel, 0), sum(shape, pixel, 99), product(shape, pixel, 99);
            fill(a, 1);
            fill(b, 2);
            k::add_factors add;
            k::mul_factors mul;
            REQUIRE(k::make_add_factors({qa.scale * gain, 7}, qb, qy, relu, add));
            REQUIRE(k::make_mul_factors(qa, qb, qy, relu, mul));
            for (std::int32_t row = 0; row < shape.h; ++row) {
              k::add_u8(dsmm::best_isa(), a.view, b.view, sum.view, add, row, row + 1);
              k::mul_u8(dsmm::best_isa(), a.view, b.view, product.view, mul, row, row + 1);
            }
            bool equal = true;
            for (std::int32_t row = 0; row < shape.h; ++row)
              for (std::int32_t col = 0; col < shape.w; ++col)
                for (std::int32_t c = 0; c < shape.c; ++c) {
                  const std::int64_t va = a.view.at(row, col)[c] - 7;
                  const std::int64_t vb = (same ? b.view.at(row, col) : b.view.at(0, 0))[c] - 200;
                  const std::int64_t s = 90 + ((va * add.a + vb * add.b + (1 << 19)) >> 20);
                  const std::int64_t p = 90 + dsmm::requantize(static_cast<std::int32_t>(va * vb), mul.factor);
                  const std::int64_t low = relu ? 90 : 0;
                  equal &= sum.view.at(row, col)[c] == std::clamp<std::int64_t>(s, low, 255);
                  equal &= product.view.at(row, col)[c] == std::clamp<std::int64_t>(p, low, 255);
                }
            CHECK(equal);
            CHECK(sum.halo_untouched());
            CHECK(product.halo_untouched());
            CHECK(sum.padding_is(90));
            CHECK(product.padding_is(90));
            hash = golden::hash(product.buffer, golden::hash(sum.buffer, hash));
          }
  golden::check("eltwise", hash);
}

TEST_CASE("add is within half a step of the real sum, over every pair of bytes") {
  const dsmm::quantization qa{0.02f, 128}, qb{0.05f, 30}, qy{0.06f, 100};
  k::add_factors f;
  REQUIRE(k::make_add_factors(qa, qb, qy, false, f));
  std::vector<std::uint8_t> a(65536), b(65536), y(65536);
  for (std::size_t i = 0; i < 65536; ++i) {
    a[i] = static_cast<std::uint8_t>(i);
    b[i] = static_cast<std::uint8_t>(i >> 8);
  }
  const dsmm::extents shape{1, 1, 65536};
  k::add_u8(dsmm::best_isa(), dsmm::dense_view<const std::uint8_t>(a.data(), shape),
            dsmm::dense_view<const std::uint8_t>(b.data(), shape), dsmm::dense_view(y.data(), shape), f, 0, 1);
  double worst = 0.0;
  for (std::size_t i = 0; i < 65536; ++i) {
    const double real = (0.02 * (a[i] - 128) + 0.05 * (b[i] - 30)) / 0.06 + 100;
    worst = std::max(worst, std::fabs(y[i] - std::clamp(real, 0.0, 255.0)));
  }
  CHECK(worst < 0.501);
}

TEST_CASE("factors out of range are refused") {
  k::add_factors add;
  k::mul_factors mul;
  CHECK_FALSE(k::make_add_factors({2048.0f, 0}, {1.0f, 0}, {1.0f, 0}, false, add));
  CHECK_FALSE(k::make_add_factors({NAN, 0}, {1.0f, 0}, {1.0f, 0}, false, add));
  CHECK_FALSE(k::make_mul_factors({2.0f, 0}, {1.0f, 0}, {1.0f, 0}, false, mul));
}

TEST_CASE("add at the border between 32 and 64 bits, largest inputs") {
  for (const std::int32_t m : {4'208'704, 4'208'703, 4'208'705, 1 << 30}) {
    const k::add_factors f{m, m, 0, 255, 0, 0}, g{m, m, 255, 255, 255, 0}, h{m, m, 0, 0, 0, 0};
    for (const k::add_factors& k1 : {f, g, h})
      for (const int va : {0, 255})
        for (const int vb : {0, 255}) {
          const auto a = static_cast<std::uint8_t>(va), b = static_cast<std::uint8_t>(vb);
          std::uint8_t y = 1;
          const dsmm::tensor_view<std::uint8_t> out = dsmm::dense_view(&y, {});
          k::add_u8(dsmm::best_isa(), dsmm::dense_view(&a, {}), dsmm::dense_view(&b, {}), out, k1, 0, 1);
          const std::int64_t s = std::int64_t{va - k1.zero_a} * m + std::int64_t{vb - k1.zero_b} * m + (1 << 19);
          CHECK(y == std::clamp<std::int64_t>(k1.zero_y + (s >> 20), 0, 255));
        }
  }
}

TEST_CASE("every variant adds as generic does: lengths, gates, factors, in place") {
  dsmm::rng random(21);
  k::add_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    CAPTURE(dsmm::to_string(V::required));
    for (std::int32_t channels = 1; channels <= 200; channels += 1 + channels / 40)
      for (const bool gate : {false, true}) {
        const dsmm::extents shape{2, 3, channels}, shape_b = gate ? dsmm::extents{1, 1, channels} : shape;
        const std::int32_t pixel = channels % 2 == 0 ? channels : (channels + 3) / 4 * 4;
        bytes a(shape, pixel, 0), b(shape_b, pixel, 0), y(shape, pixel, 99);
        fill(a, random.u32());
        fill(b, random.u32());
        const auto below = [&](std::uint32_t n) { return static_cast<std::int32_t>(random.below(n)); };
        k::add_factors f{below(4'208'000), below(4'208'000), below(256), below(256), below(256), 0};
        if (below(4) == 0) f.a >>= below(20), f.b >>= below(20);
        if (below(4) == 0) f.a <<= 7;
        if (below(2) == 0) f.low = f.zero_y;
        const auto wide = k::eltwise_impl::broadcast(dsmm::tensor_view<const std::uint8_t>(b.view), shape);
        k::add_u8_impl::generic::rows(a.view, wide, y.view, f, 0, 2);
        CHECK(y.halo_untouched());
        V::rows(a.view, wide, a.view, f, 0, 2);
        bool equal = true;
        for (std::int32_t row = 0; row < 2; ++row)
          for (std::int32_t col = 0; col < 3; ++col)
            equal &= std::equal(y.view.at(row, col), y.view.at(row, col) + pixel, a.view.at(row, col));
        CHECK(equal);
      }
  });
}

TEST_CASE("select takes the other side unless the flag is above one half") {
  const std::uint8_t x[] = {1, 2, 3, 4, 5, 6, 7, 8}, other[] = {40, 50};
  std::uint8_t y[8] = {};
  const auto run = [&](float flag) {
    k::select<std::uint8_t>(flag, dsmm::dense_view(x, {2, 2, 2}), dsmm::dense_view(other, {1, 1, 2}),
                            dsmm::dense_view(y, {2, 2, 2}), 0, 0, 2);
  };
  run(1.0f);
  CHECK(std::equal(x, x + 8, y));
  for (const float flag : {0.5f, 0.0f, -1.0f, NAN}) {
    run(1.0f);
    run(flag);
    for (int i = 0; i < 8; ++i) CHECK(y[i] == other[i % 2]);
  }
  const float fx[] = {1.0f, 2.0f}, fo[] = {3.0f, 4.0f};
  float fy[2] = {};
  k::select<float>(0.51f, dsmm::dense_view(fx, {1, 2, 1}), dsmm::dense_view(fo, {1, 2, 1}),
                   dsmm::dense_view(fy, {1, 2, 1}), 0, 0, 1);
  CHECK(fy[1] == 2.0f);
  bytes padded({2, 2, 2}, 4, 11);
  k::select<std::uint8_t>(0.0f, dsmm::dense_view(x, {2, 2, 2}), dsmm::dense_view(other, {1, 1, 2}), padded.view, 9, 0,
                          2);
  CHECK(padded.padding_is(9));
  CHECK(padded.halo_untouched());
}
