// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/requantize/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::requantize_impl {

/// How sums are scaled, fastest first; which of them changes no bit.
enum class scaling : std::uint8_t {
  float_unclamped,  ///< conv_epilogue::by_float, and low and high are those of u8
  by_float,
  fine,  ///< all shifts are 33 or more
  coarse
};

constexpr bool in_float(scaling how) noexcept { return how == scaling::float_unclamped || how == scaling::by_float; }

constexpr scaling scaling_of(const conv_epilogue& e, bool coarse) noexcept {
  if (e.by_float) return e.low == 0 && e.high == 255 ? scaling::float_unclamped : scaling::by_float;
  return coarse ? scaling::coarse : scaling::fine;
}

/// The constants of 16 channels, even and odd ones apart as vpmuldq wants them. The upper half of a product is what a
/// shift by 32 leaves, so only shift - 32 remains to be done, on 32-bit lanes; and for shifts from 33 on, the rounding
/// 2^(shift - 1) is a multiple of 2^32 that can be added there as well. Smaller shifts, factors of 1/4 and more, are
/// `coarse`: their product is rounded in 64 bits, and doubled first where the shift is 31.
/// In f32 a fused multiply-add rounds once. Rounding down, whatever the mode of the thread is, it gives floor(2y) + 1
/// for a product y, half of which, rounded down, is y with ties up; 1.5 * 2^23 leaves it in the low bits of the float.
struct factors512 {
  __m512i even, odd;      ///< multipliers, low 32 bits of each 64
  __m512i rounding;       ///< s32: 2^(shift - 33), 0 where that is no integer
  __m512i shift;          ///< s32: shift - 32
  __mmask16 half, whole;  ///< lanes whose shift is 31, and 32
  bool coarse;            ///< whether there is any of them
  __m512 twice;           ///< f32: 2 * multiplier * 2^-shift, if that has 24 bits

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline factors512 of(const std::int32_t* multiplier,
                                                             const std::int32_t* shift) noexcept {
    return of(_mm512_loadu_si512(multiplier), _mm512_loadu_si512(shift));
  }

  /// m, s  multipliers and shifts. Lanes with multiplier 0 hold no channel.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline factors512 of(__m512i m, __m512i s) noexcept {
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
    const __mmask16 used = _mm512_test_epi32_mask(m, m);
    factors512 f;
    f.even = m;
    f.odd = m >> 32;
    f.rounding = _mm512_maskz_sllv_epi32(0xFFFF, one, _mm512_sub_epi32(s, _mm512_set1_epi32(33)));
    f.shift = _mm512_maskz_max_epi32(0xFFFF, _mm512_sub_epi32(s, _mm512_set1_epi32(32)), zero);
    f.half = _mm512_mask_cmpeq_epi32_mask(used, s, _mm512_set1_epi32(31));
    f.whole = _mm512_mask_cmpeq_epi32_mask(used, s, _mm512_set1_epi32(32));
    f.coarse = (f.half | f.whole) != 0;
    const __m512i exponent = _mm512_maskz_slli_epi32(0xFFFF, _mm512_sub_epi32(_mm512_set1_epi32(128), s), 23);
    f.twice = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, m), _mm512_castsi512_ps(exponent));
    return f;
  }
};

/// The constants that all channels share: s16, u8, u8, f32. Kernels hold them in registers, as a store of bytes might
/// change anything in memory for all that the compiler knows.
struct clamp512 {
  __m512i zero_point, low, high;
  __m512 magic;  ///< 1.5 * 2^23 + 1 + 2 * zero_point

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline clamp512 of(const conv_epilogue& e) noexcept {
    return {_mm512_set1_epi16(static_cast<short>(e.zero_point)), _mm512_set1_epi8(static_cast<char>(e.low)),
            _mm512_set1_epi8(static_cast<char>(e.high)),
            _mm512_set1_ps(0x1.8p23f + static_cast<float>(1 + 2 * e.zero_point))};
  }
};

/// Sixteen channels in a register. __m512i is a vector of eight s64, so operators are s64 arithmetic. The maskz_ forms
/// with full masks cost nothing and, unlike the plain ones, make no compiler warn of what their headers leave
/// undefined.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  /// requantize() of 16 lanes; in float, what narrow_lanes() makes that of.
  template <scaling How = scaling::coarse>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i
      scale(__m512i sum, const factors512& f, const clamp512& k) noexcept {
    if constexpr (in_float(How)) {
      return _mm512_castps_si512(_mm512_fmadd_round_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, sum), f.twice, k.magic,
                                                       _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
    } else {
      __m512i even = _mm512_maskz_mul_epi32(0xFF, sum, f.even);
      __m512i odd = _mm512_maskz_mul_epi32(0xFF, odd_to_even(sum), f.odd);
      if (How == scaling::coarse && f.coarse) [[unlikely]]
        round_coarse(even, odd, f);
      const __m512i high =
          _mm512_castps_si512(_mm512_mask_movehdup_ps(_mm512_castsi512_ps(odd), 0x5555, _mm512_castsi512_ps(even)));
      return _mm512_maskz_srav_epi32(0xFFFF, _mm512_add_epi32(high, f.rounding), f.shift);
    }
  }

  /// Shift 32: half of 2^32 is added. Shift 31: a quarter is, and all is doubled.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((noinline)) static void round_coarse(__m512i& even, __m512i& odd, const factors512& f) noexcept {
    const __m512i whole = _mm512_set1_epi64(std::int64_t{1} << 31), half = _mm512_set1_epi64(std::int64_t{1} << 30);
    const auto apply = [&](__m512i& v, std::uint32_t w, std::uint32_t h) DSMM_TARGET("avx512f,avx512bw,avx512vl") {
      v = _mm512_mask_add_epi64(v, static_cast<__mmask8>(w), v, whole);
      v = _mm512_mask_add_epi64(v, static_cast<__mmask8>(h), v, half);
      v = _mm512_mask_add_epi64(v, static_cast<__mmask8>(h), v, v);
    };
    apply(even, every_second(f.whole), every_second(f.half));
    apply(odd, every_second(f.whole >> 1), every_second(f.half >> 1));
  }

  /// Bits 0, 2, 4 .. as bits 0, 1, 2 ..
  static std::uint32_t every_second(std::uint32_t m) noexcept {
    m &= 0x5555;
    m = (m | m >> 1) & 0x3333;
    m = (m | m >> 2) & 0x0F0F;
    return (m | m >> 4) & 0xFF;
  }

  /// 64 scaled values as u8, a's sixteen first.
  template <scaling How = scaling::coarse>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i
      narrow(__m512i a, __m512i b, __m512i c, __m512i d, const clamp512& k) noexcept {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_maskz_permutexvar_epi32(0xFFFF, order, narrow_lanes<How>(a, b, c, d, k));
  }

  /// The same with four of a, four of b, c and d in each 128-bit lane. Saturating to s16 before the zero point is added
  /// changes nothing: what saturates there is cut to 0 .. 255 afterwards in any case.
  template <scaling How = scaling::coarse>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i
      narrow_lanes(__m512i a, __m512i b, __m512i c, __m512i d, const clamp512& k) noexcept {
    __m512i ab, cd;
    if constexpr (in_float(How)) {
      ab = _mm512_srai_epi16(low_words(a, b), 1), cd = _mm512_srai_epi16(low_words(c, d), 1);
    } else {
      ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), k.zero_point);
      cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), k.zero_point);
    }
    const __m512i bytes = _mm512_packus_epi16(ab, cd);
    if constexpr (How == scaling::float_unclamped) return bytes;
    else return _mm512_min_epu8(_mm512_max_epu8(bytes, k.low), k.high);
  }

  /// The order of packs_epi32, without saturation.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i low_words(__m512i a, __m512i b) noexcept {
    const __m512i order =
        _mm512_setr_epi64(0x0006000400020000, 0x0026002400220020, 0x000E000C000A0008, 0x002E002C002A0028,
                          0x0016001400120010, 0x0036003400320030, 0x001E001C001A0018, 0x003E003C003A0038);
    return _mm512_permutex2var_epi16(a, order, b);
  }

  /// 64-bit lanes with the odd 32-bit lane in the low half, on the port that the multiplications leave free.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i odd_to_even(__m512i v) noexcept {
    return _mm512_castps_si512(_mm512_maskz_movehdup_ps(0xFFFF, _mm512_castsi512_ps(v)));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run(const std::int32_t* acc, std::size_t channels, const conv_epilogue& e, std::uint8_t* out) noexcept {
    if (e.by_float) run_by<scaling::by_float>(acc, channels, e, out);
    else run_by<scaling::coarse>(acc, channels, e, out);
  }

private:
  template <scaling How>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run_by(const std::int32_t* acc, std::size_t channels, const conv_epilogue& e,
                     std::uint8_t* out) noexcept {
    const auto k = clamp512::of(e);
    for (std::size_t o = 0; o < channels; o += 16) {
      const std::size_t n = channels - o < 16 ? channels - o : 16;
      const auto mask = static_cast<__mmask16>((1u << n) - 1);
      const __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, acc + o), _mm512_loadu_si512(e.bias + o));
      const __m512i v = scale<How>(sum, factors512::of(e.multiplier + o, e.shift + o), k);
      _mm_mask_storeu_epi8(out + o, mask, _mm512_maskz_extracti32x4_epi32(0xF, narrow<How>(v, v, v, v, k), 0));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::requantize_impl
