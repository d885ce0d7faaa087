// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/explain/canvas.hpp"
#include "dsmm/explain/colour.hpp"

namespace dsmm::inline DSMM_ABI {

namespace detail {
/// Walks along one axis of a picture and says where each pixel lies on the map: half-pixel centres, pixel i of `size`
/// at floor(256 * (2 i + 1) * map_size / (2 size)) - 128 in 1/256 map pixels. Exact, without a division per step.
class map_walk {
public:
  map_walk(std::int32_t size, std::int32_t map_size) noexcept
      : divisor_(std::int64_t{2} * size),
        last_(map_size - 1),
        step_(std::int64_t{512} * map_size / divisor_),
        step_rest_(std::int64_t{512} * map_size % divisor_),
        position_(std::int64_t{256} * map_size / divisor_ - 128),
        rest_(std::int64_t{256} * map_size % divisor_) {}

  std::int32_t first() const noexcept { return std::min(static_cast<std::int32_t>(clamped() >> 8), last_); }
  std::int32_t second() const noexcept { return std::min(first() + 1, last_); }
  std::int32_t weight() const noexcept { return static_cast<std::int32_t>(clamped() & 255); }  ///< of second, 1/256
  void next() noexcept {
    position_ += step_;
    rest_ += step_rest_;
    if (rest_ >= divisor_) rest_ -= divisor_, ++position_;
  }

private:
  std::int64_t clamped() const noexcept { return std::max<std::int64_t>(position_, 0); }
  std::int64_t divisor_;
  std::int32_t last_;
  std::int64_t step_, step_rest_, position_, rest_;
};
}  // namespace detail

/// Blows a heat map up to the whole picture and paints it on: bilinear between map pixels, then heat_colours.
///
/// map      (h, w, 1), 0..255; read during the call only.
/// opacity  0..255, scales the density of the paint.
///
/// Allocates nothing. Integers only: the same picture and map give the same bytes everywhere.
inline void blend_heat(const canvas& on, tensor_view<const std::uint8_t> map, std::int32_t opacity) noexcept {
  if (map.data == nullptr || map.shape.h <= 0 || map.shape.w <= 0 || opacity <= 0) return;
  opacity = std::min(opacity, 255);
  detail::map_walk v(on.height(), map.shape.h);
  for (std::int32_t y = 0; y < on.height(); ++y, v.next()) {
    const auto column = [&](std::int32_t x) {  // the map at this row and map column, times 256
      return *map.at(v.first(), x) * (256 - v.weight()) + *map.at(v.second(), x) * v.weight();
    };
    detail::map_walk u(on.width(), map.shape.w);
    std::int32_t cell = -1, left = 0, right = 0;
    for (std::int32_t x = 0; x < on.width(); ++x, u.next()) {
      if (u.first() != cell) cell = u.first(), left = column(cell), right = column(u.second());
      const std::int32_t heat = (left * (256 - u.weight()) + right * u.weight() + 32768) >> 16;
      const heat_colour& c = heat_colours[static_cast<std::size_t>(heat)];
      if (c.alpha != 0) on.blend(x, y, c.paint, (c.alpha * opacity + 127) / 255);
    }
  }
}

}  // namespace dsmm::inline DSMM_ABI
