// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/requantize/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// One group of a convolution: y[oy][ox][o] = sum over kh, kw, i of
///   x[oy * stride_h + kh * dilation_h][ox * stride_w + kw * dilation_w][i] * w8[o][kh][kw][i]
/// in s32, then the epilogue. There is no padding here: the input has a halo.
struct conv_geometry {
  std::int32_t kernel_h = 1, kernel_w = 1;
  std::int32_t stride_h = 1, stride_w = 1;
  std::int32_t dilation_h = 1, dilation_w = 1;
  std::int32_t in_channels = 4;
  std::int32_t in_channels_padded = 4;  ///< next multiple of 4: the kernels read that far, the weights there are 0
  std::int32_t out_channels = 1;

  /// Dot products of four along one output: the length of the offset list.
  constexpr std::int32_t quads() const noexcept { return kernel_h * kernel_w * (in_channels_padded / 4); }
};

/// Channels to which every array of a conv_epilogue must be readable.
constexpr std::size_t packed_channels(const conv_geometry& g) noexcept {
  return round_up(static_cast<std::size_t>(g.out_channels), 16);
}

/// The weights of one group of a convolution, expanded to int8.
struct conv_weights {
  const std::int8_t* w8 = nullptr;  ///< (out_channels, kernel_h, kernel_w, in_channels), dense
  /// I4S: w8 is a nibble of -8 .. 7 times scales[o][k / group], k counting along (kernel_h, kernel_w, in_channels).
  /// Rows of `scales` are (depth + group - 1) / group long; null: the scale is 16. Variants that keep no nibbles ignore
  /// it.
  const std::uint8_t* scales = nullptr;
  std::int32_t group = 0;  ///< 0: no groups
  std::int64_t pixels = 0;  ///< outputs of a run, by which a variant may choose its packing; 0: not known
};

/// Output channels that a variant computes together, and the quads in which at least one of them has a weight: zero
/// blocks of a pruned layer cost neither time nor memory traffic.
struct conv_panel {
  const std::int8_t* weights = nullptr;    ///< layout of the variant, in the order of `offsets`
  const std::int32_t* offsets = nullptr;   ///< (quads): bytes from the first tap of an output to four input channels
  const std::int32_t* ends = nullptr;      ///< (segments): how many quads lie in the I4S groups up to this one
  const std::uint8_t* scales = nullptr;    ///< (segments, channels)
  const std::int32_t* sums = nullptr;      ///< (channels): sum of the weights, for variants that ask for it
  const std::int32_t* row_ends = nullptr;  ///< (kernel_h): how many quads lie in the kernel's rows up to this one
  std::int32_t quads = 0, segments = 0;
  std::int32_t block = 1;  ///< quads behind each offset, for variants that take several at once (block_pack.hpp)
  std::int32_t channel = 0, channels = 0;  ///< the first one, how many with those of weight 0 that fill registers
};

struct conv_kernel;

/// A convolution ready to run: weights in the layout of one variant, and where each four inputs lie. Owns nothing.
struct conv_packed {
  conv_geometry geometry{};
  const std::int8_t* weights = nullptr;   ///< layout of the variant; null if its panels hold them
  const std::int32_t* offsets = nullptr;  ///< quads(): bytes from the first tap of an output to four input channels
  const conv_panel* panels = nullptr;
  std::int32_t panel_count = 0;
  const conv_kernel* kernel = nullptr;
  /// Of the input rows from the first tap of output row 0 on, only rows [zero_rows, zero_rows + used_rows) can be other
  /// than 0: a variant may skip the taps of others. used_rows 0: nothing is known. For paddings of zero point 0.
  std::int32_t zero_rows = 0, used_rows = 0;
  /// Panels from one that is computed to the one whose weights a variant may ask for meanwhile: as many as threads
  /// share them out one by one. Never changes a result.
  std::int32_t panels_ahead = 1;
};

/// Quads [begin, end) of a panel.
struct quad_range {
  std::int32_t begin = 0, end = 0;
  friend constexpr bool operator==(const quad_range&, const quad_range&) = default;
};

/// The quads of a panel that matter for output row oy: those of kernel rows that see input rows which are in use.
inline quad_range quads_of_row(const conv_packed& p, const conv_panel& panel, std::int32_t oy) noexcept {
  if (p.used_rows == 0) return {0, panel.quads};
  const conv_geometry& g = p.geometry;
  quad_range range;
  for (std::int32_t kh = 0; kh < g.kernel_h; ++kh) {
    const std::int32_t row = oy * g.stride_h + kh * g.dilation_h - p.zero_rows;
    if (row < 0) range.begin = panel.row_ends[kh];
    if (row < p.used_rows) range.end = panel.row_ends[kh];
  }
  if (range.end < range.begin) range.end = range.begin;
  return range;
}

using conv_input = tensor_view<const std::uint8_t>;

/// The functions of one variant.
struct conv_kernel {
  isa required;
  /// What pack() needs at most, 64-byte aligned. `group` as in conv_weights.
  std::size_t (*pack_bytes)(const conv_geometry&, std::int32_t group) noexcept;
  /// Fills weights or panels of a conv_packed that has geometry and offsets.
  void (*pack)(const conv_weights&, std::byte* memory, conv_packed&) noexcept;
  void (*rows_u8)(const conv_packed&, const conv_epilogue&, const conv_input&, const tensor_view<std::uint8_t>&,
                  std::int32_t y_begin, std::int32_t y_end) noexcept;
  void (*rows_f32)(const conv_packed&, const conv_epilogue&, const conv_input&, const tensor_view<float>&,
                   std::int32_t y_begin, std::int32_t y_end) noexcept;
};

/// What the table of a variant points to: V's functions, compiled once where dsmm::compiled is linked.
template <class V>
void conv_kernel_pack(const conv_weights& w, std::byte* memory, conv_packed& p) noexcept;
template <class V>
void conv_kernel_rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                         const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept;
template <class V>
void conv_kernel_rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                          const tensor_view<float>& y, std::int32_t y_begin, std::int32_t y_end) noexcept;

template <class V>
inline constexpr conv_kernel conv_kernel_of{V::required, &V::pack_bytes, &conv_kernel_pack<V>, &conv_kernel_rows_u8<V>,
                                            &conv_kernel_rows_f32<V>};

/// Rows [y_begin, y_end) of y as conv_rows_u8() of conv_u8s8.hpp, for convolutions of either packing: acc + bias modulo
/// 2^32, and nothing else of an epilogue. bias  (packed_channels). Words of no type are written: read them by memcpy.
inline void conv_rows_s32(const conv_packed& p, const std::int32_t* bias, const conv_input& x,
                          const tensor_view<std::int32_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  conv_epilogue e;
  e.bias = bias;
  e.sums = true;
  p.kernel->rows_f32(p, e, x, {reinterpret_cast<float*>(y.data), y.shape, y.row, y.pixel}, y_begin, y_end);
}

/// Outputs one by one: sum(oy, ox, o) through the epilogue, and the channels behind the last.
template <class T, class Sum>
void plain_rows(const conv_packed& p, const conv_epilogue& e, const tensor_view<T>& y, std::int32_t y_begin,
                std::int32_t y_end, const Sum& sum) noexcept {
  const std::int32_t channels = p.geometry.out_channels;
  for (std::int32_t oy = y_begin; oy < y_end; ++oy)
    for (std::int32_t ox = 0; ox < y.shape.w; ++ox) {
      T* const out = y.at(oy, ox);
      for (std::int32_t o = 0; o < channels; ++o) {
        const auto at = static_cast<std::size_t>(o);
        if constexpr (sizeof(T) == 1) out[o] = requantize_impl::generic::one(sum(oy, ox, o), at, e);
        else out[o] = requantize_impl::generic::one_f32(sum(oy, ox, o), at, e);
      }
      for (std::int32_t o = 0; sizeof(T) == 1 && o < e.pad_channels; ++o)
        out[channels + o] = static_cast<T>(e.zero_point);
    }
}

namespace conv_u8s8_impl {

/// The specification. Weights (O, quads, 4).
struct generic {
  static constexpr isa required = isa::generic;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return static_cast<std::size_t>(g.out_channels) * static_cast<std::size_t>(g.quads()) * 4;
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    const auto taps = std::ptrdiff_t{g.out_channels} * g.kernel_h * g.kernel_w;
    auto* weights = reinterpret_cast<std::int8_t*>(memory);
    p.weights = weights;
    for (std::ptrdiff_t t = 0; t < taps; ++t)
      for (std::int32_t i = 0; i < g.in_channels_padded; ++i)
        *weights++ = i < g.in_channels ? from.w8[t * g.in_channels + i] : std::int8_t{0};
  }

  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    plain_rows(p, e, y, y_begin, y_end,
               [&](std::int32_t oy, std::int32_t ox, std::int32_t o) { return dot(p, x, oy, ox, o); });
  }

  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    plain_rows(p, e, y, y_begin, y_end,
               [&](std::int32_t oy, std::int32_t ox, std::int32_t o) { return dot(p, x, oy, ox, o); });
  }

private:
  /// Wraps modulo 2^32, as every vector variant does.
  static std::int32_t dot(const conv_packed& p, const conv_input& x, std::int32_t oy, std::int32_t ox,
                          std::int32_t o) noexcept {
    const std::uint8_t* const first =
        x.at(std::ptrdiff_t{oy} * p.geometry.stride_h, std::ptrdiff_t{ox} * p.geometry.stride_w);
    const std::int32_t quads = p.geometry.quads();
    const std::int8_t* w = p.weights + std::ptrdiff_t{o} * quads * 4;
    std::uint32_t sum = 0;
    for (std::int32_t q = 0; q < quads; ++q, w += 4) {
      const std::uint8_t* const a = first + p.offsets[q];
      sum += static_cast<std::uint32_t>(a[0] * w[0] + a[1] * w[1] + a[2] * w[2] + a[3] * w[3]);
    }
    return static_cast<std::int32_t>(sum);
  }
};

}  // namespace conv_u8s8_impl

}  // namespace dsmm::inline DSMM_ABI::kernels

#if !DSMM_COMPILED
#include "dsmm/kernels/conv_kernel.inl.hpp"
#endif
