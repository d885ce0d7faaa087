// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/max_pool_f32/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::max_pool_impl {

/// Pictures where they lie, strides 1 and 2: 16 outputs at a time, columns of a window in registers.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  static plane_function plane_for(const window_shape& s) noexcept {
    const bool picture = s.kernel[0] == 1 && s.in[0] == 1 && s.out[0] == 1 && s.dilation[2] == 1;
    if (!picture || (s.stride[2] != 1 && s.stride[2] != 2)) return nullptr;
    return s.stride[2] == 1 ? &plane<1> : &plane<2>;
  }

private:
  /// Ones for the lanes l for which from + l lies in [0, size).
  [[gnu::always_inline]] static inline __mmask16 inside(std::int64_t from, std::int64_t size) noexcept {
    const auto lanes = [](std::int64_t n) { return n <= 0 ? 0u : n >= 16 ? 0xFFFFu : (1u << n) - 1u; };
    return static_cast<__mmask16>(lanes(size - from) & ~lanes(-from));
  }

  /// v where it is larger or the first NaN, as pool_impl::larger.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 larger(__m512 best, __m512 v) noexcept {
    const __mmask16 number = _mm512_cmp_ps_mask(best, best, _CMP_ORD_Q);
    return _mm512_mask_mov_ps(best, _mm512_mask_cmp_ps_mask(number, best, v, _CMP_NGE_UQ), v);
  }

  /// The largest down 16 columns of the window's rows [low, high); `none` outside of the picture.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      down(const window_shape& s, const float* x, std::int64_t low, std::int64_t high, std::int64_t column) noexcept {
    const __m512 none = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    const __mmask16 mask = inside(column, s.in[2]);
    __m512 best = none;
    for (std::int64_t h = low; h < high; h += s.dilation[1])
      best = larger(best, _mm512_mask_loadu_ps(none, mask, x + h * s.in[2] + column));
    return best;
  }

  template <int Step>
  DSMM_TARGET("avx512f")
  static void plane(const window_shape& s, const float* x, float* y) noexcept {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    for (std::int64_t o = 0; o < s.out[1]; ++o) {
      std::int64_t low = o * s.stride[1] - s.pad[1];
      const std::int64_t end = low + (s.kernel[1] - 1) * s.dilation[1] + 1, high = end < s.in[1] ? end : s.in[1];
      while (low < 0) low += s.dilation[1];
      for (std::int64_t j = 0; j < s.out[2]; j += 16) {
        const std::int64_t column = j * Step - s.pad[2];
        __m512 best = _mm512_setzero_ps();
        for (std::int64_t k = 0; k < s.kernel[2]; k += Step) {
          const __m512 first = down(s, x, low, high, column + k);
          if constexpr (Step == 1) {
            best = k == 0 ? first : larger(best, first);
          } else {
            const __m512 second = down(s, x, low, high, column + k + 16);
            const __m512 left = _mm512_permutex2var_ps(first, even, second);
            best = k == 0 ? left : larger(best, left);
            if (k + 1 < s.kernel[2]) best = larger(best, _mm512_permutex2var_ps(first, odd, second));
          }
        }
        _mm512_mask_storeu_ps(y + o * s.out[2] + j, inside(j, s.out[2]), best);
      }
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::max_pool_impl
