// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/eltwise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "dsmm/kernels/add_u8.hpp"
#include "dsmm/kernels/mul_u8.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

using bytes = golden::guarded<std::uint8_t>;

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
            a.randomize(1);
            b.randomize(2);
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

TEST_CASE("factors out of range are refused") {
  k::add_factors add;
  k::mul_factors mul;
  CHECK_FALSE(k::make_add_factors({2048.0f, 0}, {1.0f, 0}, {1.0f, 0}, false, add));
  CHECK_FALSE(k::make_add_factors({NAN, 0}, {1.0f, 0}, {1.0f, 0}, false, add));
  CHECK_FALSE(k::make_mul_factors({2.0f, 0}, {1.0f, 0}, {1.0f, 0}, false, mul));
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
