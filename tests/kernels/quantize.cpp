// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/quantize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("rounding: ties to even, clamped, NaN to the given value") {
  CHECK(k::round_to_u8(0.5f, 9) == 0);
  CHECK(k::round_to_u8(1.5f, 9) == 2);
  CHECK(k::round_to_u8(2.5f, 9) == 2);
  CHECK(k::round_to_u8(254.5f, 9) == 254);
  CHECK(k::round_to_u8(254.50002f, 9) == 255);
  CHECK(k::round_to_u8(1e30f, 9) == 255);
  CHECK(k::round_to_u8(INFINITY, 9) == 255);
  CHECK(k::round_to_u8(-INFINITY, 9) == 0);
  CHECK(k::round_to_u8(-0.0f, 9) == 0);
  CHECK(k::round_to_u8(NAN, 9) == 9);
  CHECK(k::round_to_u8(std::bit_cast<float>(0xFFC0'0000u), 255) == 255);
}

TEST_CASE("every byte survives dequantize and quantize") {
  std::vector<std::uint8_t> x(256), back(256);
  for (std::size_t i = 0; i < 256; ++i) x[i] = static_cast<std::uint8_t>(i);
  std::vector<float> real(256);
  const dsmm::quantization q{0.0173f, 131};
  const dsmm::extents shape{4, 64, 1};
  k::dequantize(dsmm::dense_view<const std::uint8_t>(x.data(), shape), q, dsmm::dense_view(real.data(), shape), 0, 4);
  CHECK(real[131] == 0.0f);
  CHECK(real[132] == 0.0173f);
  const float scale = 1.0f / q.scale, offset = 131.0f;
  k::quantize(dsmm::dense_view<const float>(real.data(), shape), &scale, &offset, dsmm::dense_view(back.data(), shape),
              131, 0, 4);
  CHECK(back == x);
  golden::check("dequantize", golden::hash(real));
}

TEST_CASE("quantize per channel against double, halo and padding") {
  const dsmm::extents shape{5, 3, 6};
  const std::vector<float> x = golden::random_f32(90, 4, -2.0f, 2.0f);
  const float scale[] = {10.0f, 50.0f, 90.0f, 1e-3f, 3.0f, 200.0f},
              offset[] = {128.0f, 100.0f, 7.5f, 0.0f, 255.0f, 33.0f};
  golden::guarded<std::uint8_t> y(shape, 8, 200);
  for (std::int32_t row = 0; row < 5; ++row)
    k::quantize(dsmm::dense_view(x.data(), shape), scale, offset, y.view, 12, row, row + 1);
  for (std::size_t i = 0; i < 90; ++i) {
    const std::size_t c = i % 6;
    const auto v =
        static_cast<float>(static_cast<double>(x[i]) * static_cast<double>(scale[c]) + static_cast<double>(offset[c]));
    const double exact = std::nearbyint(std::min(255.0f, std::max(0.0f, v)));
    CHECK(y.view.at(static_cast<std::int32_t>(i / 18), static_cast<std::int32_t>(i / 6 % 3))[c] == exact);
  }
  CHECK(y.halo_untouched());
  CHECK(y.padding_is(12));
  golden::check("quantize", golden::hash(y.buffer));
}

TEST_CASE("few channels, dense or not, give the same bytes") {
  const float scale[] = {40.0f, 77.0f, 3.0f, 99.0f}, offset[] = {128.0f, 0.25f, 7.0f, 60.0f};
  for (std::int32_t channels = 1; channels <= 4; ++channels)
    for (const std::int32_t width : {1, 5, 12, 16, 31, 48, 53}) {
      const dsmm::extents shape{2, width, channels};
      const auto count = static_cast<std::size_t>(2 * width * channels);
      std::vector<float> x = golden::random_f32(count, 4, -2.0f, 2.0f), wide;
      x[count / 2] = NAN;
      for (std::size_t i = 0; i < count; ++i) {
        wide.push_back(x[i]);
        if (i % static_cast<std::size_t>(channels) + 1 == static_cast<std::size_t>(channels)) wide.push_back(1e9f);
      }
      golden::guarded<std::uint8_t> y(shape, 4, 200), z(shape, 4, 200), dense(shape, channels, 200);
      const dsmm::tensor_view<const float> spread{wide.data(), shape, std::ptrdiff_t{width} * (channels + 1),
                                                  channels + 1};
      k::quantize(dsmm::dense_view<const float>(x.data(), shape), scale, offset, y.view, 12, 0, 2);
      k::quantize(spread, scale, offset, z.view, 12, 0, 2);
      k::quantize(dsmm::dense_view<const float>(x.data(), shape), scale, offset, dense.view, 12, 0, 2);
      for (std::int32_t row = 0; row < 2; ++row)
        for (std::int32_t col = 0; col < width; ++col) {
          CHECK(std::equal(y.view.at(row, col), y.view.at(row, col) + 4, z.view.at(row, col)));
          CHECK(std::equal(y.view.at(row, col), y.view.at(row, col) + channels, dense.view.at(row, col)));
        }
      CHECK(y.halo_untouched());
      CHECK(dense.halo_untouched());
    }
}

TEST_CASE("quantize of three channels side by side, at any width, gives what each value alone gives") {
  for (const std::int32_t width : {1, 15, 16, 17, 37, 64}) {
    const dsmm::extents shape{3, width, 3};
    std::vector<float> x = golden::random_f32(static_cast<std::size_t>(9 * width), 4, -2.0f, 2.0f);
    x[2] = NAN;
    x.back() = INFINITY;
    const float scale[] = {10.0f, 50.0f, 90.0f}, offset[] = {128.0f, 100.0f, 7.5f};
    golden::guarded<std::uint8_t> y(shape, 4, 200);
    k::quantize(dsmm::dense_view(x.data(), shape), scale, offset, y.view, 12, 0, 3);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto pixel = static_cast<std::int32_t>(i / 3);
      const std::size_t c = i % 3;
      CHECK(y.view.at(pixel / width, pixel % width)[c] == k::round_to_u8(std::fma(x[i], scale[c], offset[c]), 12));
    }
    CHECK(y.halo_untouched());
    CHECK(y.padding_is(12));
  }
}
