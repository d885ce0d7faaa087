// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/math32.hpp"

/// Between f32 and u8 or s8 with one scale: the case of ONNX's quantization that is worth vectors.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// y = clamp(round(x / scale) + zero) to [low, high], ties to even; NaN becomes the zero point. y is written as bytes:
/// zero, low and high are whole numbers of u8 or of s8. The clamp comes before the rounding and the addition, which
/// changes nothing, because its ends are whole numbers.
inline void quantize_bytes(const float* x, float scale, float zero, float low, float high, std::uint8_t* y,
                           std::int64_t n) noexcept {
  with_avx2([ x, scale, zero, low = low - zero, high = high - zero, y, n ]() __attribute__((always_inline)) {
    const auto shift = static_cast<std::uint32_t>(static_cast<std::int32_t>(zero));
    for (std::int64_t i = 0; i < n; ++i) {
      float v = x[i] / scale;
      v = choose(v == v, v, 0.0f);
      v = choose(v > low, v, low);
      v = choose(v < high, v, high);
      // 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits.
      y[i] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(v + 0x1.8p23f) + shift);
    }
  });
}

/// y = (x - zero) * scale, T u8 or s8.
template <class T>
void dequantize_bytes(const T* x, float scale, std::int32_t zero, float* y, std::int64_t n) noexcept {
  with_avx2([ x, scale, zero, y, n ]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] - zero) * scale;
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
