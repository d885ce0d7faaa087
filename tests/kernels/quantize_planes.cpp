// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/quantize_planes.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "tests/kernels/fenced_bytes.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

/// Planes with what a sensor may also deliver.
std::vector<float> planes(dsmm::extents shape) {
  std::vector<float> x = golden::random_f32(static_cast<std::size_t>(shape.count()), 7, -3.0f, 3.0f);
  const float odd[] = {
      std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f, 1e-42f, -0.0f, 0.5f};
  for (std::size_t i = 0; i < x.size(); i += 11) x[i] = odd[i / 11 % 6];
  return x;
}

/// The same picture as (H, W, C).
std::vector<float> turned(const std::vector<float>& x, dsmm::extents shape) {
  std::vector<float> y;
  const std::size_t plane = static_cast<std::size_t>(shape.h) * static_cast<std::size_t>(shape.w);
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t c = 0; c < static_cast<std::size_t>(shape.c); ++c) y.push_back(x[c * plane + i]);
  return y;
}

constexpr float scale[] = {10.0f, 50.0f, 90.0f, 1e-3f, 3.0f, 200.0f},
                offset[] = {128.0f, 100.0f, 7.5f, 0.0f, 255.0f, 33.0f};

}  // namespace

TEST_CASE("planes give the bytes that the turned picture gives: widths, channels, forms of pixels") {
  k::quantize_planes_variants::for_each([]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    CAPTURE(dsmm::to_string(V::required));
    for (const std::int32_t width : {1, 2, 15, 16, 17, 21, 22, 37, 38, 63, 64, 65, 130})
      for (std::int32_t channels = 1; channels <= 6; ++channels)
        for (const std::int32_t pixel : {channels, (channels + 3) / 4 * 4, channels + 9}) {
          const dsmm::extents shape{3, width, channels};
          const std::vector<float> x = planes(shape), hwc = turned(x, shape);
          golden::guarded<std::uint8_t> expected(shape, pixel, 200), got(shape, pixel, 200);
          k::quantize(dsmm::dense_view(hwc.data(), shape), scale, offset, expected.view, 12, 0, 3);
          for (std::int32_t row = 0; row < 3; ++row) V::rows(x.data(), scale, offset, got.view, 12, row, row + 1);
          INFO("width ", width, ", channels ", channels, ", pixel ", pixel);
          CHECK(got.buffer == expected.buffer);
        }
  });
}

TEST_CASE("no variant touches a byte beside its planes or its pixels") {
  k::quantize_planes_variants::for_each([]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    for (const fence side : {fence::behind, fence::before})
      for (const std::int32_t width : {1, 5, 16, 21, 22, 70})
        for (const std::int32_t pixel : {3, 4}) {
          const dsmm::extents shape{2, width, 3};
          fenced_bytes x(planes(shape), side), y(static_cast<std::size_t>(2 * width * pixel), side);
          V::rows(x.as<float>(), scale, offset, {y.as<std::uint8_t>(), shape, std::ptrdiff_t{width} * pixel, pixel}, 12,
                  0, 2);
        }
  });
}
