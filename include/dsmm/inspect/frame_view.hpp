// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"

namespace dsmm::inline DSMM_ABI {

enum class pixel_format : std::uint8_t { gray8, bgr, rgb, bgrx, rgbx };

constexpr std::int32_t bytes_per_pixel(pixel_format format) noexcept {
  return format == pixel_format::gray8 ? 1 : format == pixel_format::bgr || format == pixel_format::rgb ? 3 : 4;
}

/// A picture in somebody else's memory: height rows of `stride` bytes, read during a call only.
struct frame_view {
  const std::uint8_t* data = nullptr;
  std::int32_t width = 0, height = 0;  ///< pixels
  std::ptrdiff_t stride = 0;           ///< bytes from row to row
  pixel_format format = pixel_format::gray8;
};

/// Luma of ITU-R BT.601 in eighths of a bit: (77 r + 150 g + 29 b + 128) / 256, exact on every machine.
constexpr std::uint8_t luma(std::uint8_t r, std::uint8_t g, std::uint8_t b) noexcept {
  return static_cast<std::uint8_t>((77u * r + 150u * g + 29u * b + 128u) >> 8);
}

/// Copies a picture into a model's input of the same size: (H, W, 1) grey, or (H, W, 3) in the order of `channels`
/// (bgr or rgb). Rows may be padded on both sides. A grey picture fills all three channels.
inline void load_frame(const frame_view& frame, pixel_format channels, tensor_view<std::uint8_t> input) noexcept {
  const std::int32_t step = bytes_per_pixel(frame.format);
  const bool blue_first = frame.format == pixel_format::bgr || frame.format == pixel_format::bgrx;
  const bool swap = blue_first != (channels == pixel_format::bgr);
  for (std::int32_t y = 0; y < frame.height; ++y) {
    const std::uint8_t* in = frame.data + y * frame.stride;
    std::uint8_t* out = input.at(y, 0);
    if (frame.format == pixel_format::gray8 && input.shape.c == 1 && input.pixel == 1) {
      std::memcpy(out, in, static_cast<std::size_t>(frame.width));
      continue;
    }
    for (std::int32_t x = 0; x < frame.width; ++x, in += step, out += input.pixel) {
      if (step == 1) {
        for (std::int32_t c = 0; c < input.shape.c; ++c) out[c] = in[0];
      } else if (input.shape.c == 1) {
        out[0] = blue_first ? luma(in[2], in[1], in[0]) : luma(in[0], in[1], in[2]);
      } else {
        out[0] = in[swap ? 2 : 0];
        out[1] = in[1];
        out[2] = in[swap ? 0 : 2];
      }
    }
  }
}

}  // namespace dsmm::inline DSMM_ABI
