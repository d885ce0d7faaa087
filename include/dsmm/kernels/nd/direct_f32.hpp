// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/direct_f32/generic.hpp"

/// Tiles of f32 convolutions that broadcast pixels where they lie and keep output channels in vectors: no column is
/// written, and rows of any width fill a tile. Strides 1 and 2.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace direct_impl {

inline constexpr std::int64_t largest_tile = 16 * 32;  ///< floats of the sums that a store may look at

}  // namespace direct_impl

/// A variant as data.
struct direct_kernel {
  std::int64_t rows, columns;
  const direct_impl::tile_function* const* tiles;

  direct_impl::tile_function tile(std::int64_t pixels, std::int64_t step, bool two_parts,
                                  std::int64_t channels) const noexcept {
    return tiles[(step == 2 ? 4 : 0) + (two_parts ? 2 : 0) + (2 * channels <= columns ? 1 : 0)][pixels - 1];
  }
};

/// The variant that a machine with `level` runs.
const direct_kernel& direct_kernel_for(isa level) noexcept;

/// A picture with its padding written out, `height` x `width` floats to a channel.
struct padded_shape {
  std::int64_t height, width;

  explicit padded_shape(const window_shape& s) noexcept
      : height((s.out[1] - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1] + 1),
        width((s.out[2] - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] + 1) {}
  std::int64_t plane() const noexcept { return height * width; }
  /// Whether the picture itself serves.
  static bool in_place(const window_shape& s) noexcept {
    const padded_shape p(s);
    return s.pad[1] == 0 && s.pad[2] == 0 && p.height <= s.in[1] && p.width <= s.in[2];
  }
};

/// One channel with its padding; what no tap reaches is left out.
inline void write_padded(const window_shape& s, const float* x, float* to) noexcept {
  const padded_shape p(s);
  const std::int64_t left = std::min(s.pad[2], p.width), copied = std::min(s.in[2], p.width - left);
  for (std::int64_t i = 0; i < p.height; ++i, to += p.width) {
    const std::int64_t h = i - s.pad[1];
    if (h < 0 || h >= s.in[1]) {
      std::fill_n(to, p.width, 0.0f);
      continue;
    }
    for (std::int64_t j = 0; j < left; ++j) to[j] = 0.0f;
    copy_floats(to + left, x + h * s.in[2], copied);
    for (std::int64_t j = left + copied; j < p.width; ++j) to[j] = 0.0f;
  }
}

/// offsets[k] of the taps of all channels, `width` floats to a row and `plane` to a channel.
inline void write_offsets(const window_shape& s, std::int64_t channels, std::int64_t width, std::int64_t plane,
                          std::int32_t* offsets) noexcept {
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t h = 0; h < s.kernel[1]; ++h)
      for (std::int64_t w = 0; w < s.kernel[2]; ++w)
        *offsets++ = static_cast<std::int32_t>(c * plane + h * s.dilation[1] * width + w * s.dilation[2]);
}

/// f(first row, first column, pixels, two rows) for tiles that cover the rows [begin, end) of a picture: a row is cut
/// into equal parts, and narrow rows go in pairs.
template <class F>
void for_pixel_tiles(std::int64_t begin, std::int64_t end, std::int64_t width, std::int64_t most, F&& f) noexcept {
  for (std::int64_t row = begin; row < end;) {
    if (2 * width <= most && row + 2 <= end) {
      f(row, std::int64_t{0}, 2 * width, true);
      row += 2;
      continue;
    }
    const std::int64_t tiles = (width + most - 1) / most;
    for (std::int64_t i = 0; i < tiles; ++i) {
      const std::int64_t first = width * i / tiles;
      f(row, first, width * (i + 1) / tiles - first, false);
    }
    ++row;
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd

#if !DSMM_COMPILED
#include "dsmm/kernels/nd/direct_f32.inl.hpp"
#endif
