// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// The entries of 32 indices of 0 to 255, words, in a table of 256 u16 in eight registers.
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((always_inline)) inline __m512i avx512_entries(const __m512i* table, __m512i index) noexcept {
  const __mmask32 bit6 = _mm512_movepi16_mask(_mm512_maskz_slli_epi16(~__mmask32{0}, index, 9));
  const __mmask32 bit7 = _mm512_movepi16_mask(_mm512_maskz_slli_epi16(~__mmask32{0}, index, 8));
  const __m512i q0 = _mm512_permutex2var_epi16(table[0], index, table[1]);
  const __m512i q1 = _mm512_permutex2var_epi16(table[2], index, table[3]);
  const __m512i q2 = _mm512_permutex2var_epi16(table[4], index, table[5]);
  const __m512i q3 = _mm512_permutex2var_epi16(table[6], index, table[7]);
  return _mm512_mask_blend_epi16(bit7, _mm512_mask_blend_epi16(bit6, q0, q1), _mm512_mask_blend_epi16(bit6, q2, q3));
}

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
