// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Bayer formats are named by the first two pixels of the first two rows.
enum class pixel_format : std::uint8_t {
  gray8,
  bgr,
  rgb,
  bgrx,
  rgbx,
  nv12,
  bayer_rggb,
  bayer_bggr,
  bayer_grbg,
  bayer_gbrg
};

/// Of the first plane.
constexpr std::int32_t bytes_per_pixel(pixel_format format) noexcept {
  switch (format) {
    case pixel_format::bgr:
    case pixel_format::rgb: return 3;
    case pixel_format::bgrx:
    case pixel_format::rgbx: return 4;
    default: return 1;
  }
}

/// A picture in somebody else's memory: height rows of `stride` bytes, read during a call only.
struct frame_view {
  const std::uint8_t* data = nullptr;
  std::int32_t width = 0, height = 0;  ///< pixels
  std::ptrdiff_t stride = 0;           ///< bytes from row to row
  pixel_format format = pixel_format::gray8;
  const std::uint8_t* chroma = nullptr;  ///< nv12: pairs of u and v, a row for two
  std::ptrdiff_t chroma_stride = 0;
  bool hd_colours = false;  ///< nv12: BT.709 instead of BT.601
  bool full_range = false;  ///< nv12: luma and chroma of 0..255 instead of video range

  /// Whether rows are as long as the format needs, and all planes are there.
  constexpr bool complete() const noexcept {
    return data != nullptr && stride >= std::ptrdiff_t{width} * bytes_per_pixel(format) &&
           (format != pixel_format::nv12 ||
            (chroma != nullptr && chroma_stride >= (std::ptrdiff_t{width} + 1) / 2 * 2));
  }
};

}  // namespace dsmm::inline DSMM_ABI
