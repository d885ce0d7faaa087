// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/conv_epilogue/generic.hpp"
#include "dsmm/kernels/nd/unary_rows.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl {

/// Adds, ReLU and clip in registers; other activations over whole tiles.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  /// Ones for the first n lanes.
  [[gnu::always_inline]] static inline __mmask16 first_lanes(std::int64_t n) noexcept {
    return static_cast<__mmask16>(n <= 0 ? 0u : n >= 16 ? 0xFFFFu : (1u << n) - 1u);
  }

  /// 16 sums of one channel finished, for a plain epilogue; `residual` may be null.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      settle(const epilogue& e, __m512 v, __m512 bias, const float* residual, __mmask16 lanes) noexcept {
    if (e.adds()) v = _mm512_add_ps(v, bias);
    if (residual != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(lanes, residual));
    const __m512 zero = _mm512_setzero_ps();
    if (e.act == unary_fn::relu) return _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, zero, _CMP_LE_OQ), zero);
    if (e.act == unary_fn::clip) {
      const __m512 low = _mm512_set1_ps(e.alpha), high = _mm512_set1_ps(e.beta);
      v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, low, _CMP_LT_OQ), low);
      v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, high, _CMP_GT_OQ), high);
    }
    return v;
  }

  DSMM_TARGET("avx512f")
  static void rows(const epilogue& e, float* y, std::int64_t pitch, std::int64_t rows, std::int64_t offset,
                   std::int64_t channel, std::int64_t count) noexcept {
    const epilogue local = e;  // no store to y changes it
    for (std::int64_t j = 0; j < count && (local.adds() || local.act == unary_fn::clip); j += 32) {
      const __mmask16 m0 = first_lanes(count - j), m1 = first_lanes(count - j - 16);
      const float* residual = local.residual_at(offset + j);
      float* at = y + j;
      for (std::int64_t r = 0; r < rows; ++r, at += pitch) {
        const __m512 bias = _mm512_set1_ps(local.bias_of(channel + r));
        const __m512 low = settle(local, _mm512_maskz_loadu_ps(m0, at), bias, residual, m0);
        const __m512 high =
            settle(local, _mm512_maskz_loadu_ps(m1, at + 16), bias, residual != nullptr ? residual + 16 : nullptr, m1);
        _mm512_mask_storeu_ps(at, m0, low);
        _mm512_mask_storeu_ps(at + 16, m1, high);
        if (residual != nullptr) residual += pitch;
      }
    }
    if (!local.plain()) unary_rows(local.act, local.alpha, local.beta, y, pitch, rows, count);
  }

  DSMM_TARGET("avx512f")
  static void transposed(const epilogue& e, float* sums, std::int64_t columns, std::int64_t pixels,
                         std::int64_t channels, float* y, std::int64_t plane, std::int64_t offset,
                         std::int64_t channel) noexcept {
    epilogue local = e;
    if (!local.plain()) {
      if (local.residual != nullptr)
        return generic::transposed(e, sums, columns, pixels, channels, y, plane, offset, channel);
      local.apply_pixels(sums, columns, pixels, channels, channel);
      local.act = unary_fn::identity;
      local.bias = nullptr;
    }
    const __mmask16 lanes = first_lanes(pixels);
    for (std::int64_t c = 0; c < channels; c += 4) {
      constexpr __mmask16 all = 0xFFFF;  // g++ 12 warns inside its own forms without a mask
      // Lane l of quad i: channels c .. c + 3 of pixel 4 l + i; then each lane is transposed.
      const float* const from = sums + c;
      const __m512 q0 = quad(from, columns), q1 = quad(from + columns, columns);
      const __m512 q2 = quad(from + 2 * columns, columns), q3 = quad(from + 3 * columns, columns);
      const __m512 a = _mm512_maskz_unpacklo_ps(all, q0, q1), b = _mm512_maskz_unpackhi_ps(all, q0, q1);
      const __m512 f = _mm512_maskz_unpacklo_ps(all, q2, q3), g = _mm512_maskz_unpackhi_ps(all, q2, q3);
      const __m512 out[4] = {_mm512_shuffle_ps(a, f, 0x44), _mm512_shuffle_ps(a, f, 0xEE),
                             _mm512_shuffle_ps(b, g, 0x44), _mm512_shuffle_ps(b, g, 0xEE)};
      const std::int64_t count = std::min<std::int64_t>(4, channels - c);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t at = (c + i) * plane;
        const __m512 v = settle(local, out[i], _mm512_set1_ps(local.bias_of(channel + c + i)),
                                local.residual_at(offset + at), lanes);
        _mm512_mask_storeu_ps(y + at, lanes, v);
      }
    }
  }

private:
  /// Four floats of each of four pixels, four pixels apart.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      quad(const float* from, std::int64_t columns) noexcept {
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(from));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 4 * columns), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 8 * columns), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(from + 12 * columns), 3);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl
