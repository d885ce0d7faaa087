// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// The u8 nearest to x, ties to even, everything outside [0, 255] clamped; NaN becomes `nan_value`.
[[gnu::always_inline]] inline std::uint8_t round_to_u8(float x, std::int32_t nan_value) noexcept {
  const float in_range = math_impl::clamp(x, 0.0f, 255.0f);
  const auto bits = std::bit_cast<std::uint32_t>(in_range + math_impl::to_integer);  // the integer is in the low bits
  const std::uint32_t nan = 0u - static_cast<std::uint32_t>(x != x);
  return static_cast<std::uint8_t>((bits & ~nan) | (static_cast<std::uint32_t>(nan_value) & nan));
}

namespace quantize_impl {

/// Three channels side by side to pixels of four bytes, 16 pixels at a time: a loop over three of them is too short for
/// a compiler to do much with (224x224x3: 349 us, so 42 us; g++ 12 -O3, Zen 4). Returns the pixels done.
[[gnu::always_inline]] inline std::int32_t picture_row(const float* in, const float* scale, const float* offset,
                                                       std::uint8_t* out, std::int32_t width,
                                                       std::int32_t zero_point) noexcept {
  constexpr std::int32_t run = 16;
  float s[3 * run], o[3 * run];
  std::uint8_t bytes[3 * run + 1] = {};
  for (std::int32_t k = 0; k < 3 * run; ++k) s[k] = scale[k % 3], o[k] = offset[k % 3];
  std::int32_t col = 0;
  for (; col + run <= width; col += run, in += 3 * run, out += 4 * run) {
    for (std::int32_t k = 0; k < 3 * run; ++k) bytes[k] = round_to_u8(fma(in[k], s[k], o[k]), zero_point);
    for (std::int32_t i = 0; i < run; ++i) {
      std::memcpy(out + 4 * i, bytes + 3 * i, 4);
      out[4 * i + 3] = static_cast<std::uint8_t>(zero_point);
    }
  }
  return col;
}

}  // namespace quantize_impl

/// y[c] = clamp(round_even(fma(x[c], scale[c], offset[c]))), NaN becomes the zero point; rows [y_begin, y_end).
/// scale, offset  f32 (C): 1 / y.scale and zp_y, with any normalisation of the channel folded in.
inline void quantize(tensor_view<const float> x, const float* scale, const float* offset, tensor_view<std::uint8_t> y,
                     std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    const bool picture = y.shape.c == 3 && x.pixel == 3 && y.pixel == 4;
    for (std::int32_t row = y_begin; row < y_end; ++row) {
      std::int32_t col = 0;
      if (picture)
        col = quantize_impl::picture_row(x.at(row, 0), scale, offset, y.at(row, 0), y.shape.w, zero_point);
      for (; col < y.shape.w; ++col) {
        const float* in = x.at(row, col);
        std::uint8_t* out = y.at(row, col);
        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = round_to_u8(fma(in[c], scale[c], offset[c]), zero_point);
        pad_channels(y, out, zero_point);
      }
    }
  });
}

/// y = scale * (x - zero_point), one rounding; rows [y_begin, y_end).
inline void dequantize(tensor_view<const std::uint8_t> x, const quantization& qx, tensor_view<float> y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    const quantization q = qx;
    for (std::int32_t row = y_begin; row < y_end; ++row)
      for (std::int32_t col = 0; col < y.shape.w; ++col) {
        const std::uint8_t* in = x.at(row, col);
        float* out = y.at(row, col);
        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = q.scale * static_cast<float>(in[c] - q.zero_point);
      }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
