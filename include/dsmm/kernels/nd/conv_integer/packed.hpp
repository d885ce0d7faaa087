// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/dwconv_u8s8.hpp"
#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/integer.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// An integer convolution in the terms of the u8 x s8 kernels: its shape, how it is cut, and its packed weights.
namespace dsmm::inline DSMM_ABI::kernels::nd::conv_integer_impl {

using namespace integer_impl;
struct form;

/// Some outputs of an image: `columns` of one row, or whole rows.
struct block {
  std::int64_t row, rows, column, columns;

  std::int64_t count() const noexcept { return rows * columns; }
  std::int64_t first(const form& f) const noexcept;
};

struct form : conv_impl::conv_shape {
  std::int64_t in_h, in_w;  ///< of the laid out input: as far as the windows reach
  std::int64_t pixel, row;  ///< bytes between its pixels and rows
  bool by_channel;          ///< depthwise, one output channel to an input channel
  /// Few channels that are no whole dwords: the taps of a row of the kernel are one run of bytes.
  bool merged;
  std::int64_t rows_per_block, columns_per_block;

  explicit form(const call& c) noexcept : conv_shape(c) {
    const window_shape& s = window;
    in_h = (s.out[1] - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1] + 1;
    in_w = (s.out[2] - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] + 1;
    by_channel = groups > 1 && in_channels == 1 && out_channels == 1;
    merged = groups == 1 && s.dilation[2] == 1 && s.kernel[2] > 1 && in_channels % 4 != 0;
    pixel = merged ? in_channels : groups * in_channels + (4 - groups * in_channels % 4) % 4;
    row = in_w * pixel;
    // 64 KiB of words stay in the second cache beside the weights; 56 outputs are two of the largest tiles.
    const std::int64_t outputs = std::max<std::int64_t>((std::int64_t{1} << 14) / channels(), 56);
    rows_per_block = std::clamp<std::int64_t>(outputs / s.out[2], 1, s.out[1]);
    columns_per_block = std::min(s.out[2], outputs);
  }

  std::int64_t channels() const noexcept { return groups * out_channels; }
  std::int64_t pixel_bytes() const noexcept { return in_h * row + 64; }
  /// Offsets of the kernels are s32.
  bool fits() const noexcept { return pixel_bytes() < std::int64_t{1} << 30 && channels() < std::int64_t{1} << 24; }

  conv_geometry geometry() const noexcept {
    const window_shape& s = window;
    const auto small = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
    conv_geometry g;
    g.kernel_h = small(s.kernel[1]);
    g.kernel_w = merged ? 1 : small(s.kernel[2]);
    g.stride_h = small(s.stride[1]);
    g.stride_w = small(s.stride[2]);
    g.dilation_h = small(s.dilation[1]);
    g.dilation_w = small(s.dilation[2]);
    g.in_channels = small(by_channel ? groups : merged ? in_channels * s.kernel[2] : in_channels);
    g.in_channels_padded = (g.in_channels + 3) / 4 * 4;
    g.out_channels = small(by_channel ? groups : out_channels);
    return g;
  }
  /// How many convolutions the kernels see.
  std::int64_t parts() const noexcept { return by_channel ? 1 : groups; }

  std::int64_t row_blocks() const noexcept { return (window.out[1] + rows_per_block - 1) / rows_per_block; }
  std::int64_t column_blocks() const noexcept { return (window.out[2] + columns_per_block - 1) / columns_per_block; }
  std::int64_t blocks() const noexcept { return row_blocks() * column_blocks(); }
  std::int64_t tasks() const noexcept { return std::min<std::int64_t>(blocks(), 16); }
  block block_at(std::int64_t i) const noexcept {
    const std::int64_t r = i / column_blocks() * rows_per_block, at = i % column_blocks() * columns_per_block;
    return {r, std::min(rows_per_block, window.out[1] - r), at, std::min(columns_per_block, window.out[2] - at)};
  }
};

inline std::int64_t block::first(const form& f) const noexcept { return row * f.window.out[2] + column; }

/// At the start of the packed memory; all that it points to lies behind.
struct packed_filter {
  conv_packed* parts;
  conv_packed ones;          ///< depthwise only: the same windows with weights of 1
  const std::int32_t* sums;  ///< (channels) of the weights
};

inline std::size_t part_bytes(const form& f, isa level) noexcept {
  return round_up(f.by_channel ? dw_pack_bytes(f.geometry(), level) : conv_pack_bytes(f.geometry(), level), 64);
}
inline std::size_t parts_bytes(const form& f) noexcept {
  return round_up(static_cast<std::size_t>(f.parts()) * sizeof(conv_packed), 64);
}

inline std::size_t packed_bytes(const form& f, isa level) noexcept {
  const auto parts = static_cast<std::size_t>(f.parts() + (f.by_channel ? 1 : 0));
  return round_up(sizeof(packed_filter), 64) + parts_bytes(f) + word_bytes(f.channels()) + parts * part_bytes(f, level);
}

/// c.scratch  as many bytes as there are weights.
inline void pack(const call& c, const form& f, std::byte* memory) noexcept {
  const view& w = c.in[1];
  const std::int64_t taps = f.window.taps(), channels = f.channels(), depth = f.depth();
  auto* const w8 = reinterpret_cast<std::int8_t*>(c.scratch);
  auto& packed = *::new (memory) packed_filter{};
  memory += round_up(sizeof packed, 64);
  packed.parts = reinterpret_cast<conv_packed*>(memory);
  memory += parts_bytes(f);
  auto* const sums = reinterpret_cast<std::int32_t*>(memory);
  packed.sums = sums;
  memory += word_bytes(channels);
  for (std::int64_t o = 0; o < channels; ++o) {
    sums[o] = 0;
    for (std::int64_t i = 0; i < f.in_channels; ++i)
      for (std::int64_t k = 0; k < taps; ++k) {
        const std::int8_t v = moved_weight(w, (o * f.in_channels + i) * taps + k);
        w8[o * depth + k * f.in_channels + i] = v;
        sums[o] += v;
      }
  }
  const conv_geometry g = f.geometry();
  if (f.by_channel) {
    ::new (packed.parts) conv_packed(dw_pack(g, c.level, w8, f.row, f.pixel, memory));
    std::fill_n(w8, channels * taps, std::int8_t{1});
    packed.ones = dw_pack(g, c.level, w8, f.row, f.pixel, memory + part_bytes(f, c.level));
    return;
  }
  for (std::int64_t p = 0; p < f.groups; ++p, memory += part_bytes(f, c.level))
    ::new (packed.parts + p)
        conv_packed(conv_pack(g, c.level, w8 + p * f.out_channels * depth, f.row, f.pixel, memory));
}

/// `part` over a block of outputs; y (outputs, channels of the op) from the part's first channel on.
inline void run_part(const conv_packed& part, const form& f, const std::int32_t* start, const std::uint8_t* x,
                     const block& at, std::int32_t* y) noexcept {
  const std::int64_t channels = f.channels();
  const auto rows = static_cast<std::int32_t>(at.rows), columns = static_cast<std::int32_t>(at.columns);
  const conv_input in{x + at.row * f.window.stride[1] * f.row + at.column * f.window.stride[2] * f.pixel,
                      {static_cast<std::int32_t>(f.in_h), static_cast<std::int32_t>(f.in_w), part.geometry.in_channels},
                      f.row,
                      f.pixel};
  conv_rows_s32(part, start, in, {y, {rows, columns, part.geometry.out_channels}, columns * channels, channels}, 0,
                rows);
}

/// words (outputs, channels): start[o] + the products of a block.
inline void run_block(const packed_filter& packed, const form& f, const std::int32_t* start, const std::uint8_t* x,
                      const block& at, std::int32_t* words) noexcept {
  for (std::int64_t p = 0; p < f.parts(); ++p)
    run_part(packed.parts[p], f, start + p * f.out_channels, x + p * f.in_channels, at, words + p * f.out_channels);
}

/// words (outputs, channels): the sums of the windows of each channel, depthwise.
inline void run_ones(const packed_filter& packed, const form& f, const std::int32_t* none, const std::uint8_t* x,
                     const block& at, std::int32_t* words) noexcept {
  run_part(packed.ones, f, none, x, at, words);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_integer_impl
