// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"

/// Rows of camera formats to red, green and blue; integers alone, so the same on every machine.
namespace dsmm::inline DSMM_ABI::kernels {

/// Up to 64 pixels, a plane for each colour.
struct colour_run {
  static constexpr std::int32_t length = 64;
  std::array<std::uint8_t, length> red, green, blue;
};

/// Luma and chroma to red, green and blue of 0..255, in steps of 2^-8 (ITU-R BT.601-7, BT.709-6).
struct yuv_matrix {
  std::int32_t gain, black, v_to_red, u_to_green, v_to_green, u_to_blue;
};
/// Of video range (16..235, 16..240).
inline constexpr yuv_matrix bt601{298, 16, 409, -100, -208, 516}, bt709{298, 16, 459, -55, -136, 541};
/// Of full range (0..255), as cameras send that come from JPEG.
inline constexpr yuv_matrix bt601_full{256, 0, 359, -88, -183, 454}, bt709_full{256, 0, 403, -48, -120, 475};

namespace camera_impl {

constexpr std::uint8_t byte_of(std::int32_t v) noexcept {
  return static_cast<std::uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

}  // namespace camera_impl

/// Grey values of n luma samples.
inline void grey_run(const std::uint8_t* y, std::int32_t n, const yuv_matrix& matrix, std::uint8_t* grey) noexcept {
  kernels::with_avx2([ y, n, m = matrix, grey ]() __attribute__((always_inline)) {
    for (std::int32_t i = 0; i < n; ++i) grey[i] = camera_impl::byte_of((m.gain * (y[i] - m.black) + 128) >> 8);
  });
}

/// n pixels of a row of NV12. uv  the pair of the first pixel, which has an even column; each pair is for two pixels.
inline void nv12_run(const std::uint8_t* y, const std::uint8_t* uv, std::int32_t n, const yuv_matrix& matrix,
                     colour_run& out) noexcept {
  kernels::with_avx2([ y, uv, n, m = matrix, red = out.red.data(), green = out.green.data(),
                       blue = out.blue.data() ]() __attribute__((always_inline)) {
    const auto pixel = [=](std::int32_t i, std::int32_t r, std::int32_t g, std::int32_t b)
        __attribute__((always_inline)) {
      const std::int32_t c = m.gain * (y[i] - m.black) + 128;
      red[i] = camera_impl::byte_of((c + r) >> 8);
      green[i] = camera_impl::byte_of((c + g) >> 8);
      blue[i] = camera_impl::byte_of((c + b) >> 8);
    };
    const auto pair = [=](std::int32_t i, std::int32_t count) __attribute__((always_inline)) {
      const std::int32_t d = uv[i] - 128, e = uv[i + 1] - 128;
      const std::int32_t r = m.v_to_red * e, g = m.u_to_green * d + m.v_to_green * e, b = m.u_to_blue * d;
      pixel(i, r, g, b);
      if (count == 2) pixel(i + 1, r, g, b);
    };
    for (std::int32_t i = 0; i < n / 2; ++i) pair(2 * i, 2);
    if (n % 2 != 0) pair(n - 1, 1);
  });
}

/// Where the red site of a 2 x 2 Bayer cell lies; blue lies across.
struct bayer_cell {
  std::int32_t red_row, red_column;
};

/// Three rows of a Bayer mosaic; at the borders of the picture the row above is the one below and vice versa.
struct bayer_rows {
  const std::uint8_t *above, *row, *below;

  bayer_rows(const std::uint8_t* data, std::ptrdiff_t stride, std::int32_t height, std::int32_t y) noexcept
      : above(data + (y > 0 ? y - 1 : std::min(1, height - 1)) * stride),
        row(data + y * stride),
        below(data + (y + 1 < height ? y + 1 : std::max(height - 2, 0)) * stride) {}
};

namespace camera_impl {

/// Three rows of a mosaic from the column before the first pixel on. odd  whether the row's own colour lies at odd
/// pixels.
[[gnu::always_inline]] inline void demosaic(const std::uint8_t* above, const std::uint8_t* row,
                                            const std::uint8_t* below, std::int32_t n, std::int32_t odd,
                                            std::uint8_t* __restrict own, std::uint8_t* __restrict other,
                                            std::uint8_t* __restrict green) noexcept {
  for (std::int32_t i = 0; i < n; ++i) {
    const std::int32_t across = row[i] + row[i + 2], down = above[i + 1] + below[i + 1];
    const std::int32_t corners = above[i] + above[i + 2] + below[i] + below[i + 2];
    const auto here = static_cast<std::uint8_t>(((i & 1) ^ odd) - 1);  // a mask: a choice would stay a branch
    const auto choose = [here](std::int32_t yes, std::int32_t no) {
      return static_cast<std::uint8_t>((yes & here) | (no & ~here));
    };
    own[i] = choose(row[i + 1], (across + 1) >> 1);
    other[i] = choose((corners + 2) >> 2, (down + 1) >> 1);
    green[i] = choose((across + down + 2) >> 2, row[i + 1]);
  }
}

}  // namespace camera_impl

/// Columns [first, first + n) of row y of a mosaic `width` wide: each missing colour is the mean of its neighbours
/// among the eight around, rounded up at one half (bilinear demosaicing).
inline void bayer_run(const bayer_rows& rows, std::int32_t y, std::int32_t first, std::int32_t n, std::int32_t width,
                      bayer_cell cell, colour_run& out) noexcept {
  const std::uint8_t* from[] = {rows.above, rows.row, rows.below};
  std::array<std::array<std::uint8_t, colour_run::length + 2>, 3> bordered;
  for (std::size_t r = 0; r < 3; ++r) {
    const std::uint8_t* const all = from[r];
    if (first > 0 && first + n < width) {
      from[r] = all + first - 1;
    } else {
      bordered[r][0] = all[first > 0 ? first - 1 : std::min(1, width - 1)];
      std::copy_n(all + first, n, bordered[r].data() + 1);
      bordered[r][static_cast<std::size_t>(n) + 1] = all[first + n < width ? first + n : std::max(width - 2, 0)];
      from[r] = bordered[r].data();
    }
  }
  const bool red_row = (y & 1) == cell.red_row;
  const std::int32_t site = red_row ? cell.red_column : 1 - cell.red_column;
  kernels::with_avx2([
    above = from[0], row = from[1], below = from[2], n, odd = site ^ (first & 1),
    own = (red_row ? out.red : out.blue).data(), other = (red_row ? out.blue : out.red).data(), green = out.green.data()
  ]() __attribute__((always_inline)) { camera_impl::demosaic(above, row, below, n, odd, own, other, green); });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
