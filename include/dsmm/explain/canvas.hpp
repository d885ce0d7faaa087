// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/explain/colour.hpp"

namespace dsmm::inline DSMM_ABI {

/// Where the channels of an 8-bit pixel lie: its size, and the byte of each channel. One byte means grey.
struct pixel_order {
  std::uint8_t bytes = 1, red = 0, green = 0, blue = 0;
  friend constexpr bool operator==(const pixel_order&, const pixel_order&) = default;
};

namespace pixel_orders {
inline constexpr pixel_order gray8{1, 0, 0, 0}, bgr{3, 2, 1, 0}, rgb{3, 0, 1, 2}, bgrx{4, 2, 1, 0}, rgbx{4, 0, 1, 2};
}  // namespace pixel_orders

/// Half-open rectangle in pixels: [left, right) x [top, bottom). Empty if it has no extent.
struct pixel_rect {
  std::int32_t left = 0, top = 0, right = 0, bottom = 0;
  friend constexpr bool operator==(const pixel_rect&, const pixel_rect&) = default;
};

/// A picture to paint on; owns nothing. Every call clips to the picture, none allocates or throws. Integers only, so
/// the same calls paint the same bytes on every machine. The fourth byte of a pixel is never written.
class canvas {
public:
  /// data  (height, stride) bytes; stride in bytes, at least width * order.bytes; may be negative.
  canvas(std::uint8_t* data, std::int32_t width, std::int32_t height, std::ptrdiff_t stride, pixel_order order) noexcept
      : data_(data), width_(width), height_(height), stride_(stride), order_(order) {}

  std::int32_t width() const noexcept { return width_; }
  std::int32_t height() const noexcept { return height_; }

  /// Covers one pixel that lies inside the picture with `alpha`/255 of the paint.
  void blend(std::int32_t x, std::int32_t y, colour paint, std::int32_t alpha) const noexcept {
    std::uint8_t* p = data_ + y * stride_ + std::ptrdiff_t{x} * order_.bytes;
    if (order_.bytes == 1) return mix(p[0], paint.luma(), alpha);
    mix(p[order_.red], paint.red, alpha);
    mix(p[order_.green], paint.green, alpha);
    mix(p[order_.blue], paint.blue, alpha);
  }

  void fill(pixel_rect r, colour paint, std::int32_t alpha = 255) const noexcept {
    r = clipped(r);
    for (std::int32_t y = r.top; y < r.bottom; ++y)
      for (std::int32_t x = r.left; x < r.right; ++x) blend(x, y, paint, alpha);
  }

  /// fill() with corners rounded to `radius` pixels.
  void fill_rounded(pixel_rect r, std::int32_t radius, colour paint, std::int32_t alpha = 255) const noexcept {
    radius = std::max(0, std::min({radius, (r.right - r.left) / 2, (r.bottom - r.top) / 2}));
    for (std::int32_t y = r.top; y < r.bottom; ++y) {
      const std::int32_t inset = corner_inset(radius, std::min(y - r.top, r.bottom - 1 - y));
      fill({r.left + inset, y, r.right - inset, y + 1}, paint, alpha);
    }
  }

  /// The outline of `r`, `thickness` pixels wide, drawn inwards.
  void outline(pixel_rect r, std::int32_t thickness, colour paint, std::int32_t alpha = 255) const noexcept {
    const std::int32_t t = std::min(thickness, (r.bottom - r.top + 1) / 2);
    fill({r.left, r.top, r.right, r.top + t}, paint, alpha);
    fill({r.left, std::max(r.bottom - t, r.top + t), r.right, r.bottom}, paint, alpha);
    const std::int32_t s = std::min(thickness, (r.right - r.left + 1) / 2);
    fill({r.left, r.top + t, r.left + s, r.bottom - t}, paint, alpha);
    fill({std::max(r.right - s, r.left + s), r.top + t, r.right, r.bottom - t}, paint, alpha);
  }

private:
  static void mix(std::uint8_t& under, std::int32_t paint, std::int32_t alpha) noexcept {
    under = static_cast<std::uint8_t>((under * (255 - alpha) + paint * alpha + 127) / 255);
  }
  /// Pixels cut off a row `depth` below the edge by a corner of that radius.
  static std::int32_t corner_inset(std::int32_t radius, std::int32_t depth) noexcept {
    if (depth >= radius) return 0;
    const std::int32_t dy = 2 * (radius - depth) - 1;  // centre of the row to centre of the circle, in half pixels
    std::int32_t inset = radius;
    for (std::int32_t dx = 1; inset > 0 && dx * dx + dy * dy <= 4 * radius * radius; dx += 2) --inset;
    return inset;
  }
  pixel_rect clipped(pixel_rect r) const noexcept {
    return {std::max(r.left, 0), std::max(r.top, 0), std::min(r.right, width_), std::min(r.bottom, height_)};
  }

  std::uint8_t* data_;
  std::int32_t width_, height_;
  std::ptrdiff_t stride_;
  pixel_order order_;
};

}  // namespace dsmm::inline DSMM_ABI
