// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/requantize/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::requantize_impl {

/// The constants of 16 channels, even and odd ones apart as vpmuldq wants them.
struct factors512 {
  __m512i even, odd;                    ///< multipliers, low 32 bits of each 64
  __m512i even_shift, odd_shift;        ///< s64
  __m512i even_rounding, odd_rounding;  ///< 2^(shift - 1)

  [[gnu::always_inline]] DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni") static inline factors512
      of(const std::int32_t* multiplier, const std::int32_t* shift) noexcept {
    const __m512i m = _mm512_loadu_si512(multiplier), s = _mm512_loadu_si512(shift);
    const __m512i one = _mm512_set1_epi64(1);
    factors512 f;
    f.even = m;
    f.odd = m >> 32;
    f.even_shift = s & _mm512_set1_epi64(0xFF);
    f.odd_shift = s >> 32;
    f.even_rounding = one << (f.even_shift - one);
    f.odd_rounding = one << (f.odd_shift - one);
    return f;
  }
};

/// Sixteen channels in a register. __m512i is a vector of eight s64, so operators are s64 arithmetic. The maskz_ forms
/// with full masks cost nothing and, unlike the plain ones, make no compiler warn of what their headers leave
/// undefined.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  /// requantize() of 16 lanes.
  [[gnu::always_inline]] DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni") static inline __m512i
      scale(__m512i sum, const factors512& f) noexcept {
    const __m512i even = (_mm512_maskz_mul_epi32(0xFF, sum, f.even) + f.even_rounding) >> f.even_shift;
    const __m512i odd = (_mm512_maskz_mul_epi32(0xFF, sum >> 32, f.odd) + f.odd_rounding) >> f.odd_shift;
    return _mm512_mask_mov_epi32(odd << 32, 0x5555, even);
  }

  /// 64 scaled values as u8, a's sixteen first. Saturating to s16 before the zero point is added changes nothing: what
  /// saturates there is cut to 0 .. 255 afterwards in any case.
  [[gnu::always_inline]] DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni") static inline __m512i
      narrow(__m512i a, __m512i b, __m512i c, __m512i d, const conv_epilogue& e) noexcept {
    const __m512i zero_point = _mm512_set1_epi16(static_cast<short>(e.zero_point));
    const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero_point);
    const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero_point);
    __m512i bytes = _mm512_packus_epi16(ab, cd);  // per 128-bit lane four of a, b, c, d
    bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, _mm512_set1_epi8(static_cast<char>(e.low))),
                            _mm512_set1_epi8(static_cast<char>(e.high)));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_maskz_permutexvar_epi32(0xFFFF, order, bytes);
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
