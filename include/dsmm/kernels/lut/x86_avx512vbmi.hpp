// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/lut/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::lut_impl {

/// The table lies in four registers: vpermi2b looks up 64 bytes in each half of it, bit 7 chooses the half.
struct x86_avx512vbmi {
  static constexpr isa required = isa::x86_avx512vbmi;

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vbmi")
  static void run(const u8_table& table, const lut_runs& r) noexcept {
    const __m512i a = _mm512_loadu_si512(table.data()), b = _mm512_loadu_si512(table.data() + 64);
    const __m512i c = _mm512_loadu_si512(table.data() + 128), d = _mm512_loadu_si512(table.data() + 192);
    const std::uint8_t* x = r.x;
    std::uint8_t* y = r.y;
    for (std::size_t k = 0; k < r.runs; ++k, x += r.x_step, y += r.y_step) {
      std::size_t i = 0;
      for (; i + 64 <= r.length; i += 64) _mm512_storeu_si512(y + i, look_up(a, b, c, d, _mm512_loadu_si512(x + i)));
      if (i == r.length) continue;
      const __mmask64 some = (std::uint64_t{1} << (r.length - i)) - 1;
      _mm512_mask_storeu_epi8(y + i, some, look_up(a, b, c, d, _mm512_maskz_loadu_epi8(some, x + i)));
    }
  }

private:
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vbmi")
  __attribute__((always_inline)) static inline __m512i look_up(__m512i a, __m512i b, __m512i c, __m512i d,
                                                               __m512i x) noexcept {
    const __m512i low = _mm512_permutex2var_epi8(a, x, b), high = _mm512_permutex2var_epi8(c, x, d);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::lut_impl
