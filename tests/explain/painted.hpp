// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/explain/canvas.hpp"

namespace dsmm::test {

/// A picture with a known pattern, padding after each row and a guard of 64 bytes on both ends.
class painted {
public:
  painted(std::int32_t width, std::int32_t height, std::ptrdiff_t padding, pixel_order order)
      : width_(width),
        height_(height),
        stride_(std::ptrdiff_t{width} * order.bytes + padding),
        order_(order),
        bytes_(static_cast<std::size_t>(stride_ * height) + 128) {
    for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = pattern(i);
  }

  canvas on() { return {bytes_.data() + 64, width_, height_, stride_, order_}; }
  const std::uint8_t* at(std::int32_t x, std::int32_t y) const {
    return bytes_.data() + 64 + y * stride_ + std::ptrdiff_t{x} * order_.bytes;
  }
  std::uint8_t before(std::int32_t x, std::int32_t y, std::uint8_t channel) const {
    return pattern(static_cast<std::size_t>(at(x, y) - bytes_.data()) + channel);
  }

  /// True if the guards, the row padding and the fourth byte of every pixel are as they were.
  bool outside_untouched() const {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(i) - 64;
      const bool picture = offset >= 0 && offset < stride_ * height_ &&
                           offset % stride_ < std::ptrdiff_t{width_} * order_.bytes &&
                           (order_.bytes < 4 || offset % stride_ % 4 != 3);
      if (!picture && bytes_[i] != pattern(i)) return false;
    }
    return true;
  }

  /// FNV-1a over everything, guards included.
  std::uint64_t hash() const {
    std::uint64_t h = 0xcbf29ce484222325;
    for (const std::uint8_t b : bytes_) h = (h ^ b) * 0x100000001b3;
    return h;
  }

private:
  static std::uint8_t pattern(std::size_t i) { return static_cast<std::uint8_t>(i * 37 + i / 251); }

  std::int32_t width_, height_;
  std::ptrdiff_t stride_;
  pixel_order order_;
  std::vector<std::uint8_t> bytes_;
};

inline constexpr pixel_order all_orders[] = {pixel_orders::gray8, pixel_orders::bgr, pixel_orders::rgb,
                                             pixel_orders::bgrx, pixel_orders::rgbx};

}  // namespace dsmm::test
