// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Taps of a depthwise convolution with those of weight 0 that make their number a multiple of 4.
constexpr std::int32_t dw_taps(const conv_geometry& g) noexcept { return (g.kernel_h * g.kernel_w + 3) / 4 * 4; }

namespace dwconv_u8s8_impl {

/// y[oy][ox][c] = sum over kh, kw of x[oy * stride_h + kh * dilation_h][ox * stride_w + kw * dilation_w][c] *
/// w8[c][kh][kw] in s32, then the epilogue. Weights (taps, C), one offset per tap.
struct generic {
  static constexpr isa required = isa::generic;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return static_cast<std::size_t>(dw_taps(g)) * static_cast<std::size_t>(g.out_channels);
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    const std::int32_t taps = g.kernel_h * g.kernel_w;
    auto* weights = reinterpret_cast<std::int8_t*>(memory);
    p.weights = weights;
    for (std::int32_t t = 0; t < dw_taps(g); ++t)
      for (std::ptrdiff_t c = 0; c < g.out_channels; ++c)
        *weights++ = t < taps ? from.w8[c * taps + t] : std::int8_t{0};
  }

  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    plain_rows(p, e, y, y_begin, y_end,
               [&](std::int32_t oy, std::int32_t ox, std::int32_t o) { return sum(p, x, oy, ox, o); });
  }

  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    plain_rows(p, e, y, y_begin, y_end,
               [&](std::int32_t oy, std::int32_t ox, std::int32_t o) { return sum(p, x, oy, ox, o); });
  }

private:
  static std::int32_t sum(const conv_packed& p, const conv_input& x, std::int32_t oy, std::int32_t ox,
                          std::int32_t c) noexcept {
    const conv_geometry& g = p.geometry;
    const std::uint8_t* const first = x.at(std::ptrdiff_t{oy} * g.stride_h, std::ptrdiff_t{ox} * g.stride_w) + c;
    std::int32_t s = 0;
    for (std::int32_t t = 0; t < g.kernel_h * g.kernel_w; ++t)
      s += first[p.offsets[t]] * p.weights[std::ptrdiff_t{t} * g.out_channels + c];
    return s;
  }
};

}  // namespace dwconv_u8s8_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
