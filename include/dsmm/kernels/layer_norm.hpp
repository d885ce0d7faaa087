// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/quantize.hpp"
#include "dsmm/kernels/reduce.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Most channels whose integer sums this file keeps exact in f32 steps: C * 255 < 2^24 with room to spare.
inline constexpr std::int32_t layer_norm_max_channels = 4096;

/// Constants of a layer norm over u8 or f32 values, with a u8 result.
struct layer_norm_factors {
  const float* gamma = nullptr;  ///< (C): gamma / y.scale
  const float* beta = nullptr;   ///< (C): beta / y.scale + zp_y
  float floor = 1.0f;            ///< epsilon; of u8 values C^2 * epsilon / x.scale^2, as they sum C^2 * variance
  std::int32_t zero_point = 0;   ///< of y
};

/// Folds the scale of y into `table`, 2 * C floats that the result points into and that must outlive it; f32 values.
/// False unless C <= layer_norm_max_channels and epsilon is a positive number.
inline bool make_layer_norm(const float* gamma, const float* beta, std::int32_t channels, float epsilon,
                            const quantization& y, float* table, layer_norm_factors& out) noexcept {
  const double scale_y = static_cast<double>(y.scale);
  out.gamma = table;
  out.beta = table + channels;
  out.floor = epsilon;
  out.zero_point = y.zero_point;
  for (std::int32_t c = 0; c < channels; ++c) {
    table[c] = static_cast<float>(static_cast<double>(gamma[c]) / scale_y);
    table[channels + c] = static_cast<float>(static_cast<double>(beta[c]) / scale_y + y.zero_point);
  }
  return channels <= layer_norm_max_channels && out.floor > 0.0f && out.floor < math_impl::infinity;
}

/// The same for u8 values, with the scale of x in `floor`.
inline bool make_layer_norm(const float* gamma, const float* beta, std::int32_t channels, float epsilon,
                            const quantization& x, const quantization& y, float* table,
                            layer_norm_factors& out) noexcept {
  const double n = channels, scale_x = static_cast<double>(x.scale);
  const auto floor = static_cast<float>(n * n * static_cast<double>(epsilon) / (scale_x * scale_x));
  return make_layer_norm(gamma, beta, channels, floor, y, table, out);
}

/// With the 64-lane sums of reduce.hpp, over the C channels of a pixel:
///   m = sum x / C,  inv = 1 / sqrt(sum (x - m)^2 / C + epsilon)
///   y[c] = clamp(round_even(fma((x[c] - m) * inv, gamma[c], beta[c]))); NaN becomes the zero point
/// x f32, y u8 (H, W, C); rows [y_begin, y_end).
inline void layer_norm(tensor_view<const float> x, const layer_norm_factors& factors, tensor_view<std::uint8_t> y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    const layer_norm_factors k = factors;
    const auto n = static_cast<std::size_t>(y.shape.c);
    const auto count = static_cast<float>(n);
    for (std::int32_t row = y_begin; row < y_end; ++row)
      for (std::int32_t col = 0; col < y.shape.w; ++col) {
        const float* const in = x.at(row, col);
        std::uint8_t* const out = y.at(row, col);
        const auto value = [in](std::size_t c) __attribute__((always_inline)) { return in[c]; };
        const float mean = sum_of(n, value) / count;
        const auto distance = [ in, mean ](std::size_t c) __attribute__((always_inline)) { return in[c] - mean; };
        const float inverse = 1.0f / std::sqrt(sum_of_products<M>(n, distance, distance) / count + k.floor);
        for (std::size_t c = 0; c < n; ++c)
          out[c] = round_to_u8(fma<M>((in[c] - mean) * inverse, k.gamma[c], k.beta[c]), k.zero_point);
        pad_channels(y, out, k.zero_point);
      }
  });
}

/// With exact integer sums S and Q of x and x^2 over the C channels of a pixel:
///   inv = 1 / sqrt(float(C * Q - S^2) + floor)
///   y[c] = clamp(round_even(fma(float(C * x[c] - S) * inv, gamma[c], beta[c])))
/// x, y  u8 (H, W, C); rows [y_begin, y_end). y may be x. The zero point of x cancels.
inline void layer_norm(tensor_view<const std::uint8_t> x, const layer_norm_factors& factors,
                       tensor_view<std::uint8_t> y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    const layer_norm_factors k = factors;
    const std::int32_t channels = y.shape.c;
    for (std::int32_t row = y_begin; row < y_end; ++row)
      for (std::int32_t col = 0; col < y.shape.w; ++col) {
        const std::uint8_t* in = x.at(row, col);
        std::uint8_t* out = y.at(row, col);
        std::int32_t sum = 0, squares = 0;  // 4096 * 255^2 < 2^31
        for (std::int32_t c = 0; c < channels; ++c) {
          sum += in[c];
          squares += in[c] * in[c];
        }
        const std::int64_t variance = std::int64_t{channels} * squares - std::int64_t{sum} * sum;
        const float inverse = 1.0f / std::sqrt(static_cast<float>(variance) + k.floor);
        for (std::int32_t c = 0; c < channels; ++c) {
          const float centred = static_cast<float>(channels * in[c] - sum) * inverse;
          out[c] = round_to_u8(fma<M>(centred, k.gamma[c], k.beta[c]), k.zero_point);
        }
        pad_channels(y, out, k.zero_point);
      }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
