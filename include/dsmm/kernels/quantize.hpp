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

/// Rows of few channels (pictures): whole runs of values at once, scale and offset repeated along them. 48 values are a
/// whole number of pixels of 1, 2, 3 or 4 channels. Where pixels are dwords, each then gets its own as one.
struct narrow_rows {
  static constexpr std::int32_t run = 48;
  float scale[run], offset[run];
  std::uint32_t keep, fill;  ///< bytes of a pixel that are its own; the zero point in the others
  std::int32_t channels, zero_point;

  [[gnu::always_inline]] narrow_rows(const float* s, const float* o, std::int32_t c, std::int32_t zero) noexcept
      : keep(c == 4 ? ~0u : (1u << 8 * c) - 1),
        fill(~keep & 0x0101'0101u * static_cast<std::uint32_t>(zero)),
        channels(c),
        zero_point(zero) {
    for (std::int32_t i = 0; i < run; ++i) scale[i] = s[i % c], offset[i] = o[i % c];
  }

  /// y pixels lie side by side.
  template <class M>
  [[gnu::always_inline]] void dense_row(const float* x, std::uint8_t* y, std::int32_t width) const noexcept {
    std::int32_t left = width * channels;
    for (; left >= run; left -= run, x += run, y += run)
      for (std::int32_t i = 0; i < run; ++i) y[i] = round_to_u8(fma<M>(x[i], scale[i], offset[i]), zero_point);
    for (std::int32_t i = 0; i < left; ++i) y[i] = round_to_u8(fma<M>(x[i], scale[i], offset[i]), zero_point);
  }

  /// y pixels are dwords. x is read to its last value and no further.
  template <class M>
  [[gnu::always_inline]] void row(const float* x, std::uint8_t* y, std::int32_t width) const noexcept {
    std::uint8_t bytes[run + 4] = {};
    for (std::int32_t left = width * channels; left > 0; left -= run, x += run) {
      if (left >= run)
        for (std::int32_t i = 0; i < run; ++i) bytes[i] = round_to_u8(fma<M>(x[i], scale[i], offset[i]), zero_point);
      else
        for (std::int32_t i = 0; i < left; ++i) bytes[i] = round_to_u8(fma<M>(x[i], scale[i], offset[i]), zero_point);
      const std::int32_t pixels = (left < run ? left : run) / channels;
      for (std::int32_t p = 0; p < pixels; ++p, y += 4) {
        std::uint32_t v;
        std::memcpy(&v, bytes + p * channels, sizeof v);
        v = (v & keep) | fill;
        std::memcpy(y, &v, sizeof v);
      }
    }
  }
};

}  // namespace quantize_impl

/// y[c] = clamp(round_even(fma(x[c], scale[c], offset[c]))), NaN becomes the zero point; rows [y_begin, y_end).
/// scale, offset  f32 (C): 1 / y.scale and zp_y, with any normalisation of the channel folded in.
inline void quantize(tensor_view<const float> x, const float* scale, const float* offset, tensor_view<std::uint8_t> y,
                     std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    if constexpr (std::endian::native == std::endian::little) {
      if (x.pixel == x.shape.c && x.shape.c <= 4 && (y.pixel == 4 || y.pixel == x.shape.c)) {
        const quantize_impl::narrow_rows rows(scale, offset, x.shape.c, zero_point);
        const bool dense = y.pixel == x.shape.c;
        for (std::int32_t row = y_begin; row < y_end; ++row)
          if (dense) rows.template dense_row<M>(x.at(row, 0), y.at(row, 0), y.shape.w);
          else rows.template row<M>(x.at(row, 0), y.at(row, 0), y.shape.w);
        return;
      }
    }
    for (std::int32_t row = y_begin; row < y_end; ++row)
      for (std::int32_t col = 0; col < y.shape.w; ++col) {
        const float* in = x.at(row, col);
        std::uint8_t* out = y.at(row, col);
        for (std::int32_t c = 0; c < y.shape.c; ++c)
          out[c] = round_to_u8(fma<M>(in[c], scale[c], offset[c]), zero_point);
        pad_channels(y, out, zero_point);
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
