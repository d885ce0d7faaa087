// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/kernels/attention/avx512_table.hpp"
#include "dsmm/kernels/softmax_int.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// The table of exp2_q16() less 2^15, so that its 256 entries fit u16: eight registers, looked up by vpermi2w.
inline constexpr auto exp2_words = [] {
  std::array<std::uint16_t, 256> words{};
  for (std::size_t i = 0; i < 256; ++i) words[i] = static_cast<std::uint16_t>(softmax_int_impl::exp2_table[i] - 32768);
  return words;
}();

/// softmax_q14() in registers, the same integers. factor.shift >= 33. scores are overwritten.
/// scores  (n rounded up to 32), 64-byte aligned; what lies behind the n-th is not looked at.
/// p       (n rounded up to 32), 64-byte aligned; 0 behind the n-th, at least to `filled`; all 0 for n = 0.
class avx512_softmax {
public:
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run(std::int32_t* scores, std::size_t n, std::size_t filled, fixed_point factor,
                  std::int16_t* p) noexcept {
    const std::uint64_t sum = n == 0 ? 1 : powers(scores, n, factor);
    const auto inverse = static_cast<std::int64_t>(n == 0 ? 0 : (std::uint64_t{1} << 46) / sum);
    const __m512i by = _mm512_set1_epi64(inverse), half = _mm512_set1_epi64(std::int64_t{1} << 31);
    std::size_t j = 0;
    for (; j < n; j += 16) {
      const __m512i e = _mm512_maskz_loadu_epi32(mask_of(n - j), scores + j);
      const __m512i even = _mm512_maskz_mul_epu32(0xFF, e, by) + half;
      const __m512i odd = _mm512_maskz_mul_epu32(0xFF, _mm512_maskz_srli_epi64(0xFF, e, 32), by) + half;
      const __m512i high = _mm512_mask_blend_epi32(0xAAAA, _mm512_maskz_srli_epi64(0xFF, even, 32), odd);
      _mm256_store_si256(reinterpret_cast<__m256i*>(p + j), _mm512_maskz_cvtepi32_epi16(0xFFFF, high));
    }
    for (; j < filled; j += 16) _mm256_store_si256(reinterpret_cast<__m256i*>(p + j), _mm256_setzero_si256());
  }

private:
  static __mmask16 mask_of(std::size_t rest) noexcept {
    return static_cast<__mmask16>(rest >= 16 ? 0xFFFF : (1u << rest) - 1);
  }

  /// e[j] in place of each score; their sum.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static std::uint64_t powers(std::int32_t* scores, std::size_t n, fixed_point factor) noexcept {
    __m512i top = _mm512_set1_epi32(INT32_MIN);
    for (std::size_t j = 0; j < n; j += 16) {
      const __mmask16 mask = mask_of(n - j);
      top = _mm512_mask_max_epi32(top, mask, top, _mm512_maskz_loadu_epi32(mask, scores + j));
    }
    scaling k;
    k.top = _mm512_set1_epi32(largest(top));
    k.most = _mm512_set1_epi32((1 << 26) - 1);
    k.multiplier = _mm512_set1_epi64(factor.multiplier);
    k.rounding = _mm512_set1_epi32(static_cast<std::int32_t>(std::uint32_t{1} << (factor.shift - 33)));
    k.shift = _mm_cvtsi32_si128(factor.shift - 32);
    __m512i table[8];
    for (std::size_t i = 0; i < 8; ++i) table[i] = _mm512_loadu_si512(exp2_words.data() + i * 32);
    const __m512i low = _mm512_set1_epi16(255);
    const __m512i one = _mm512_set1_epi32(32768), zero = _mm512_setzero_si512();
    __m512i sum_a = zero, sum_b = zero;  // 2^16 * 2^12 per lane at most
    for (std::size_t j = 0; j < n; j += 32) {
      const __mmask16 ma = mask_of(n - j), mb = n - j > 16 ? mask_of(n - j - 16) : __mmask16{0};
      const __m512i a = octaves(_mm512_maskz_loadu_epi32(ma, scores + j), k);
      const __m512i b = octaves(_mm512_maskz_loadu_epi32(mb, scores + j + 16), k);
      const __m512i t = _mm512_packus_epi32(a, b);  // 65535 is 0 as every t from 17 * 256 on
      const __m512i index = _mm512_and_si512(t, low), octave = _mm512_maskz_srli_epi16(~__mmask32{0}, t, 8);
      const __m512i words = avx512_entries(table, index);
      const __m512i ea = _mm512_maskz_srlv_epi32(ma, _mm512_add_epi32(_mm512_unpacklo_epi16(words, zero), one),
                                                 _mm512_unpacklo_epi16(octave, zero));
      const __m512i eb = _mm512_maskz_srlv_epi32(mb, _mm512_add_epi32(_mm512_unpackhi_epi16(words, zero), one),
                                                 _mm512_unpackhi_epi16(octave, zero));
      _mm512_storeu_si512(scores + j, ea);
      _mm512_storeu_si512(scores + j + 16, eb);
      sum_a = _mm512_add_epi32(sum_a, ea);
      sum_b = _mm512_add_epi32(sum_b, eb);
    }
    alignas(64) std::uint32_t lane[32];
    _mm512_store_si512(lane, sum_a);
    _mm512_store_si512(lane + 16, sum_b);
    std::uint64_t sum = 0;
    for (const std::uint32_t l : lane) sum += l;
    return sum;
  }

  struct scaling {
    __m512i top, most, multiplier, rounding;
    __m128i shift;
  };

  /// t of sixteen scores: the upper half of the product is what a shift by 32 leaves.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i octaves(__m512i score, const scaling& k) noexcept {
    const __m512i below = _mm512_maskz_min_epu32(0xFFFF, _mm512_sub_epi32(k.top, score), k.most);
    const __m512i b16 = _mm512_maskz_slli_epi32(0xFFFF, below, 4);
    const __m512i even = _mm512_maskz_mul_epu32(0xFF, b16, k.multiplier);
    const __m512i odd = _mm512_maskz_mul_epu32(0xFF, _mm512_maskz_srli_epi64(0xFF, b16, 32), k.multiplier);
    const __m512i high = _mm512_mask_blend_epi32(0xAAAA, _mm512_maskz_srli_epi64(0xFF, even, 32), odd);
    return _mm512_maskz_srl_epi32(0xFFFF, _mm512_add_epi32(high, k.rounding), k.shift);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static std::int32_t largest(__m512i v) noexcept {
    alignas(64) std::int32_t lane[16];
    _mm512_store_si512(lane, v);
    std::int32_t top = lane[0];
    for (const std::int32_t l : lane) top = l > top ? l : top;
    return top;
  }
};

/// As avx512_softmax::run.
inline void avx512_softmax_q14(std::int32_t* scores, std::size_t n, std::size_t filled, fixed_point factor,
                               std::int16_t* p) noexcept {
  avx512_softmax::run(scores, n, filled, factor, p);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
