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

constexpr std::uint8_t grey_of_luma(std::uint8_t y, const yuv_matrix& m) noexcept {
  return camera_impl::byte_of((m.gain * (y - m.black) + 128) >> 8);
}

/// n pixels of a row of NV12. uv  the pair of the first pixel, which has an even column; each pair is for two pixels.
inline void nv12_run(const std::uint8_t* y, const std::uint8_t* uv, std::int32_t n, const yuv_matrix& matrix,
                     colour_run& out) noexcept {
  std::array<std::int16_t, colour_run::length> luma{}, u{}, v{};
  for (std::int32_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    luma[at] = y[i];
    u[at] = uv[i / 2 * 2];
    v[at] = uv[i / 2 * 2 + 1];
  }
  kernels::with_avx2([&luma, &u, &v, &out, m = matrix ]() __attribute__((always_inline)) {
    for (std::size_t i = 0; i < colour_run::length; ++i) {
      const std::int32_t c = m.gain * (luma[i] - m.black) + 128, d = u[i] - 128, e = v[i] - 128;
      out.red[i] = camera_impl::byte_of((c + m.v_to_red * e) >> 8);
      out.green[i] = camera_impl::byte_of((c + m.u_to_green * d + m.v_to_green * e) >> 8);
      out.blue[i] = camera_impl::byte_of((c + m.u_to_blue * d) >> 8);
    }
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

/// Columns [first, first + n) of row y of a mosaic `width` wide: each missing colour is the mean of its neighbours
/// among the eight around, rounded up at one half (bilinear demosaicing).
inline void bayer_run(const bayer_rows& rows, std::int32_t y, std::int32_t first, std::int32_t n, std::int32_t width,
                      bayer_cell cell, colour_run& out) noexcept {
  constexpr std::size_t length = colour_run::length;
  std::array<std::array<std::uint16_t, length + 2>, 3> t{};
  const std::uint8_t* const from[] = {rows.above, rows.row, rows.below};
  for (std::size_t r = 0; r < 3; ++r)
    for (std::int32_t i = -1; i <= n; ++i) {
      std::int32_t x = first + i;
      if (x < 0) x = std::min(1, width - 1);
      if (x >= width) x = std::max(width - 2, 0);
      t[r][static_cast<std::size_t>(i + 1)] = from[r][x];
    }
  const bool red_row = (y & 1) == cell.red_row;
  const std::uint32_t site = static_cast<std::uint32_t>(red_row ? cell.red_column : 1 - cell.red_column);
  auto &own = red_row ? out.red : out.blue, &other = red_row ? out.blue : out.red;
  kernels::with_avx2([&t, &own, &other, &green = out.green,
                      odd = site ^ (static_cast<std::uint32_t>(first) & 1u) ]() __attribute__((always_inline)) {
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint32_t across = t[1][i] + t[1][i + 2], down = t[0][i + 1] + t[2][i + 1];
      const std::uint32_t corners = t[0][i] + t[0][i + 2] + t[2][i] + t[2][i + 2], self = t[1][i + 1];
      const bool here = (i & 1u) == odd;  // a site of this row's own colour
      own[i] = static_cast<std::uint8_t>(here ? self : (across + 1) / 2);
      other[i] = static_cast<std::uint8_t>(here ? (corners + 2) / 4 : (down + 1) / 2);
      green[i] = static_cast<std::uint8_t>(here ? (across + down + 2) / 4 : self);
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
