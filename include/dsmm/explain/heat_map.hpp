// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <tuple>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/explain/canvas.hpp"

namespace dsmm::inline DSMM_ABI {

/// A connected part of a heat map, in map pixels.
struct heat_region {
  pixel_rect box{};
  std::uint8_t peak = 0;                ///< highest value inside
  std::int32_t peak_x = 0, peak_y = 0;  ///< where it is; the first one in reading order
  std::int32_t area = 0;                ///< pixels at or above the threshold
};

/// Which neighbours belong together.
enum class connectivity : std::uint8_t { edges = 4, edges_and_corners = 8 };

/// Finds the connected regions of a heat map at or above a threshold.
class region_finder {
public:
  static constexpr std::size_t capacity = 16;  ///< regions returned at most

  /// For maps of up to max_height x max_width pixels. Allocates 5 bytes per pixel; find() allocates nothing.
  /// Errors: too_large (more than 2^26 pixels, or no memory), invalid_argument (no pixels).
  static result<region_finder> create(std::int32_t max_height, std::int32_t max_width) noexcept {
    if (max_height <= 0 || max_width <= 0)
      return failure{errc::invalid_argument, "region_finder: a map has at least one pixel"};
    const std::int64_t pixels = std::int64_t{max_height} * max_width;
    if (pixels > std::int64_t{1} << 26) return failure{errc::too_large, "region_finder: at most 2^26 map pixels"};
    region_finder finder(static_cast<std::size_t>(pixels));
    if (finder.seen_ == nullptr || finder.stack_ == nullptr)
      return failure{errc::too_large, "region_finder: out of memory"};
    return finder;
  }

  /// map        (h, w, 1), h * w within create()'s; read during the call only.
  /// threshold  1..255; 0 counts as 1, so that an empty map has no region.
  /// min_area   smaller regions are dropped.
  ///
  /// Returns at most 16 regions, highest peak first, then the larger, then the upper, then the left one; valid until
  /// the next call. Empty if the map does not fit. Cost: one pass over the map.
  std::span<const heat_region> find(tensor_view<const std::uint8_t> map, std::uint8_t threshold,
                                    std::int32_t min_area = 1,
                                    connectivity joined = connectivity::edges_and_corners) noexcept {
    found_ = 0;
    const std::int32_t h = map.shape.h, w = map.shape.w;
    if (map.data == nullptr || h <= 0 || w <= 0 || std::int64_t{h} * w > static_cast<std::int64_t>(pixels_)) return {};
    threshold = std::max<std::uint8_t>(threshold, 1);
    std::fill_n(seen_.get(), static_cast<std::size_t>(h) * static_cast<std::size_t>(w), std::uint8_t{0});
    for (std::int32_t y = 0; y < h; ++y)
      for (std::int32_t x = 0; x < w; ++x)
        if (*map.at(y, x) >= threshold && seen_[index(y, x, w)] == 0) {
          const heat_region r = flood(map, y, x, threshold, joined);
          if (r.area >= min_area) keep(r);
        }
    return {regions_.data(), found_};
  }

private:
  explicit region_finder(std::size_t pixels) noexcept
      : pixels_(pixels),
        seen_(new (std::nothrow) std::uint8_t[pixels]),
        stack_(new (std::nothrow) std::int32_t[pixels]) {}

  static std::size_t index(std::int32_t y, std::int32_t x, std::int32_t w) noexcept {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(w) + static_cast<std::size_t>(x);
  }
  static auto rank(const heat_region& r) noexcept { return std::tuple(-r.peak, -r.area, r.box.top, r.box.left); }

  /// Collects the region of (y0, x0). A pixel is marked when it is pushed, so the stack never outgrows the map.
  heat_region flood(tensor_view<const std::uint8_t> map, std::int32_t y0, std::int32_t x0, std::uint8_t threshold,
                    connectivity joined) noexcept {
    const std::int32_t h = map.shape.h, w = map.shape.w;
    heat_region r{{x0, y0, x0 + 1, y0 + 1}, *map.at(y0, x0), x0, y0, 0};
    std::size_t top = 0;
    stack_[top++] = y0 * w + x0;
    seen_[index(y0, x0, w)] = 1;
    while (top != 0) {
      const std::int32_t at = stack_[--top], y = at / w, x = at % w;
      const std::uint8_t value = *map.at(y, x);
      ++r.area;
      r.box = {std::min(r.box.left, x), std::min(r.box.top, y), std::max(r.box.right, x + 1),
               std::max(r.box.bottom, y + 1)};
      if (std::tuple(-value, y, x) < std::tuple(-r.peak, r.peak_y, r.peak_x))
        r.peak = value, r.peak_y = y, r.peak_x = x;
      for (std::int32_t ny = std::max(y - 1, 0); ny <= std::min(y + 1, h - 1); ++ny)
        for (std::int32_t nx = std::max(x - 1, 0); nx <= std::min(x + 1, w - 1); ++nx) {
          if (joined == connectivity::edges && ny != y && nx != x) continue;
          if (*map.at(ny, nx) < threshold || seen_[index(ny, nx, w)] != 0) continue;
          seen_[index(ny, nx, w)] = 1;
          stack_[top++] = ny * w + nx;
        }
    }
    return r;
  }

  /// Insertion into the best-first list; the last one falls off.
  void keep(const heat_region& r) noexcept {
    if (found_ == capacity && rank(regions_[found_ - 1]) < rank(r)) return;
    std::size_t i = found_ < capacity ? found_++ : capacity - 1;
    for (; i > 0 && rank(r) < rank(regions_[i - 1]); --i) regions_[i] = regions_[i - 1];
    regions_[i] = r;
  }

  std::size_t pixels_;
  std::unique_ptr<std::uint8_t[]> seen_;
  std::unique_ptr<std::int32_t[]> stack_;
  std::array<heat_region, capacity> regions_{};
  std::size_t found_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
