// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/requantize/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::requantize_impl {

/// The constants of 16 channels, even and odd ones apart as vpmuldq wants them. The upper half of a product is what a
/// shift by 32 leaves, so only shift - 32 remains to be done, on 32-bit lanes. Channels with shift 31, factors of 1/2
/// and more, are doubled first.
struct factors512 {
  __m512i even, odd;                    ///< multipliers, low 32 bits of each 64
  __m512i even_rounding, odd_rounding;  ///< 2^(shift - 1)
  __m512i shift;                        ///< shift - 32, s32
  __mmask8 even_doubled, odd_doubled;   ///< where shift is 31

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline factors512 of(const std::int32_t* multiplier,
                                                             const std::int32_t* shift) noexcept {
    return of(_mm512_loadu_si512(multiplier), _mm512_loadu_si512(shift));
  }

  /// m, s  multipliers and shifts.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline factors512 of(__m512i m, __m512i s) noexcept {
    const __m512i one = _mm512_set1_epi64(1), least = _mm512_set1_epi64(31);
    const __m512i even_shift = s & _mm512_set1_epi64(0xFF), odd_shift = s >> 32;
    factors512 f;
    f.even = m;
    f.odd = m >> 32;
    f.even_rounding = one << (even_shift - one);
    f.odd_rounding = one << (odd_shift - one);
    f.shift = _mm512_maskz_max_epi32(0xFFFF, _mm512_sub_epi32(s, _mm512_set1_epi32(32)), _mm512_setzero_si512());
    f.even_doubled = _mm512_cmple_epi64_mask(even_shift, least);
    f.odd_doubled = _mm512_cmple_epi64_mask(odd_shift, least);
    return f;
  }
};

/// Sixteen channels in a register. __m512i is a vector of eight s64, so operators are s64 arithmetic. The maskz_ forms
/// with full masks cost nothing and, unlike the plain ones, make no compiler warn of what their headers leave
/// undefined.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  /// requantize() of 16 lanes.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i scale(__m512i sum, const factors512& f) noexcept {
    __m512i even = _mm512_maskz_mul_epi32(0xFF, sum, f.even) + f.even_rounding;
    __m512i odd = _mm512_maskz_mul_epi32(0xFF, odd_to_even(sum), f.odd) + f.odd_rounding;
    if ((f.even_doubled | f.odd_doubled) != 0) [[unlikely]] {
      even = _mm512_mask_add_epi64(even, f.even_doubled, even, even);
      odd = _mm512_mask_add_epi64(odd, f.odd_doubled, odd, odd);
    }
    const __m512i high =
        _mm512_castps_si512(_mm512_mask_movehdup_ps(_mm512_castsi512_ps(odd), 0x5555, _mm512_castsi512_ps(even)));
    return _mm512_maskz_srav_epi32(0xFFFF, high, f.shift);
  }

  /// 64 scaled values as u8, a's sixteen first.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i narrow(__m512i a, __m512i b, __m512i c, __m512i d,
                                                              const conv_epilogue& e) noexcept {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_maskz_permutexvar_epi32(0xFFFF, order, narrow_lanes(a, b, c, d, e));
  }

  /// The same with four of a, four of b, c and d in each 128-bit lane. Saturating to s16 before the zero point is added
  /// changes nothing: what saturates there is cut to 0 .. 255 afterwards in any case.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i narrow_lanes(__m512i a, __m512i b, __m512i c, __m512i d,
                                                                    const conv_epilogue& e) noexcept {
    const __m512i zero_point = _mm512_set1_epi16(static_cast<short>(e.zero_point));
    const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero_point);
    const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero_point);
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(ab, cd), _mm512_set1_epi8(static_cast<char>(e.low))),
                           _mm512_set1_epi8(static_cast<char>(e.high)));
  }

  /// 64-bit lanes with the odd 32-bit lane in the low half, on the port that the multiplications leave free.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i odd_to_even(__m512i v) noexcept {
    return _mm512_castps_si512(_mm512_maskz_movehdup_ps(0xFFFF, _mm512_castsi512_ps(v)));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void run(const std::int32_t* acc, std::size_t channels, const conv_epilogue& e, std::uint8_t* out) noexcept {
    for (std::size_t o = 0; o < channels; o += 16) {
      const std::size_t n = channels - o < 16 ? channels - o : 16;
      const auto mask = static_cast<__mmask16>((1u << n) - 1);
      const __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, acc + o), _mm512_loadu_si512(e.bias + o));
      const __m512i v = scale(sum, factors512::of(e.multiplier + o, e.shift + o));
      _mm_mask_storeu_epi8(out + o, mask, _mm512_maskz_extracti32x4_epi32(0xF, narrow(v, v, v, v, e), 0));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::requantize_impl
