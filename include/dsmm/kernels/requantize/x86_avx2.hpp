// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/requantize/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::requantize_impl {

/// The constants of 8 channels, as factors512. AVX2 cannot shift s64 right arithmetically, but the upper half of a
/// product is what a shift by 32 leaves, and s32 lanes can be shifted.
struct factors256 {
  __m256i even, odd;                    ///< multipliers, low 32 bits of each 64
  __m256i even_rounding, odd_rounding;  ///< 2^(shift - 1)
  __m256i shift;                        ///< shift - 32, s32
  __m256i even_doubled, odd_doubled;    ///< all ones where shift is 31
  bool any_doubled;

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline factors256 of(const std::int32_t* multiplier,
                                                             const std::int32_t* shift) noexcept {
    const __m256i m = load(multiplier), s = load(shift), one = _mm256_set1_epi64x(1), least = _mm256_set1_epi64x(32);
    const __m256i even_shift = s & _mm256_set1_epi64x(0xFF), odd_shift = _mm256_srli_epi64(s, 32);
    factors256 f;
    f.even = m;
    f.odd = _mm256_srli_epi64(m, 32);
    f.even_rounding = _mm256_sllv_epi64(one, _mm256_sub_epi64(even_shift, one));
    f.odd_rounding = _mm256_sllv_epi64(one, _mm256_sub_epi64(odd_shift, one));
    f.shift = _mm256_max_epi32(_mm256_sub_epi32(s, _mm256_set1_epi32(32)), _mm256_setzero_si256());
    f.even_doubled = _mm256_cmpgt_epi64(least, even_shift);
    f.odd_doubled = _mm256_cmpgt_epi64(least, odd_shift);
    f.any_doubled = _mm256_movemask_epi8(f.even_doubled | f.odd_doubled) != 0;
    return f;
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i load(const std::int32_t* at) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
};

/// Eight channels in a register.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  /// requantize() of 8 lanes.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i scale(__m256i sum, const factors256& f) noexcept {
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(sum, f.even), f.even_rounding);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(sum, 32), f.odd), f.odd_rounding);
    if (f.any_doubled) [[unlikely]] {
      even = _mm256_add_epi64(even, even & f.even_doubled);
      odd = _mm256_add_epi64(odd, odd & f.odd_doubled);
    }
    const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_srav_epi32(high, f.shift);
  }

  /// 16 scaled values as u8, a's eight first; saturation as in the AVX-512 variant.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m128i narrow(__m256i a, __m256i b, const conv_epilogue& e) noexcept {
    const __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
    const __m256i sum = _mm256_adds_epi16(pairs, _mm256_set1_epi16(static_cast<short>(e.zero_point)));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm_min_epu8(_mm_max_epu8(bytes, _mm_set1_epi8(static_cast<char>(e.low))),
                        _mm_set1_epi8(static_cast<char>(e.high)));
  }

  DSMM_TARGET("avx2")
  static void run(const std::int32_t* acc, std::size_t channels, const conv_epilogue& e, std::uint8_t* out) noexcept {
    for (std::size_t o = 0; o < channels; o += 16) {
      const std::size_t n = channels - o < 16 ? channels - o : 16;
      alignas(32) std::int32_t a[16] = {};
      std::memcpy(a, acc + o, n * sizeof *a);
      __m256i v[2];
      for (std::size_t i = 0; i < 2; ++i) {
        const __m256i sum = _mm256_add_epi32(factors256::load(a + i * 8), factors256::load(e.bias + o + i * 8));
        v[i] = scale(sum, factors256::of(e.multiplier + o + i * 8, e.shift + o + i * 8));
      }
      const __m128i bytes = narrow(v[0], v[1], e);
      std::memcpy(out + o, &bytes, n);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::requantize_impl
