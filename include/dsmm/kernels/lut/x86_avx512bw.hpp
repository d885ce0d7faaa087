// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/lut/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::lut_impl {

/// The table as 128 words in four registers: vpermi2w looks up the word of a pair of entries, a shift picks the entry.
/// Rows of 1536 bytes, Zen 4: 13 GB/s, one entry after the other 3.5 GB/s.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run(const u8_table& table, const lut_runs& r) noexcept {
    const __m512i t[] = {_mm512_loadu_si512(table.data()), _mm512_loadu_si512(table.data() + 64),
                         _mm512_loadu_si512(table.data() + 128), _mm512_loadu_si512(table.data() + 192)};
    const __m512i low = _mm512_set1_epi16(255);
    const std::uint8_t* x = r.x;
    std::uint8_t* y = r.y;
    for (std::size_t k = 0; k < r.runs; ++k, x += r.x_step, y += r.y_step)
      for (std::size_t i = 0; i < r.length; i += 64) {
        const __mmask64 mask = r.length - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (r.length - i)) - 1;
        const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
        const __m512i even = _mm512_and_si512(entry(_mm512_and_si512(v, low), t), low);
        const __m512i odd = entry(_mm512_maskz_srli_epi16(~__mmask32{0}, v, 8), t);
        const __m512i upper = _mm512_maskz_slli_epi16(~__mmask32{0}, odd, 8);
        _mm512_mask_storeu_epi8(y + i, mask, _mm512_or_si512(even, upper));
      }
  }

private:
  /// The entries of 32 indices in the low bytes of words.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i entry(__m512i index, const __m512i* t) noexcept {
    const __m512i pair = _mm512_maskz_srli_epi16(~__mmask32{0}, index, 1);
    const __mmask32 upper = _mm512_movepi16_mask(_mm512_maskz_slli_epi16(~__mmask32{0}, index, 8));
    const __m512i words = _mm512_mask_blend_epi16(upper, _mm512_permutex2var_epi16(t[0], pair, t[1]),
                                                  _mm512_permutex2var_epi16(t[2], pair, t[3]));
    const __m512i shift = _mm512_maskz_slli_epi16(~__mmask32{0}, _mm512_and_si512(index, _mm512_set1_epi16(1)), 3);
    return _mm512_maskz_srlv_epi16(~__mmask32{0}, words, shift);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::lut_impl
