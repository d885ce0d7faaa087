// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/lut/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::lut_impl {

/// Sixteen rows of 16 values. x - 16 * row, plus 0x70 with saturation, keeps bit 7 clear only in the bytes of that row,
/// and vpshufb writes zeros for the others: 64 instructions for 32 bytes, which three ports take half as long for as
/// for 32 loads.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  DSMM_TARGET("avx2")
  static void run(const u8_table& table, const lut_runs& r) noexcept {
    const std::uint8_t* x = r.x;
    std::uint8_t* y = r.y;
    for (std::size_t k = 0; k < r.runs; ++k, x += r.x_step, y += r.y_step) {
      std::size_t i = 0;
      for (; i + 64 <= r.length; i += 64) two(table, x + i, y + i);
      generic::rest(table, x + i, y + i, r.length - i);
    }
  }

private:
  /// 64 bytes, so that each row of the table is loaded once for two registers.
  DSMM_TARGET("avx2")
  static void two(const u8_table& table, const std::uint8_t* x, std::uint8_t* y) noexcept {
    __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 32));
    const __m256i row = _mm256_set1_epi8(16), mark = _mm256_set1_epi8(0x70);
    __m256i to_a = _mm256_setzero_si256(), to_b = _mm256_setzero_si256();
    for (std::size_t i = 0; i < 256; i += 16) {
      const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(&table[i])));
      to_a = _mm256_or_si256(to_a, _mm256_shuffle_epi8(t, _mm256_adds_epu8(a, mark)));
      to_b = _mm256_or_si256(to_b, _mm256_shuffle_epi8(t, _mm256_adds_epu8(b, mark)));
      a = _mm256_sub_epi8(a, row), b = _mm256_sub_epi8(b, row);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), to_a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + 32), to_b);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::lut_impl
