// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/matmul_nbits/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::nbits_impl {

/// vpermps looks 4 bits up in a table of 16 floats and ignores the bits above. A row takes 4 panels at once: 8 chains
/// of sums hide the cycles of a multiply-add.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void expand(const packed_weights& p, std::int64_t panel, std::int64_t k0, std::int64_t steps,
                     std::int64_t first, std::int64_t columns, float* to) noexcept {
    if (p.wide) return expand_as<false, true>(p, panel, k0, steps, first, columns, to);
    p.one_zero ? expand_as<true, false>(p, panel, k0, steps, first, columns, to)
               : expand_as<false, false>(p, panel, k0, steps, first, columns, to);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void row(const packed_weights& p, const float* x, std::int64_t panel, std::int64_t count, float* y) noexcept {
    if (p.wide) return row_as<false, true>(p, x, panel, count, y);
    p.one_zero ? row_as<true, false>(p, x, panel, count, y) : row_as<false, false>(p, x, panel, count, y);
  }

private:
  /// Two registers of 16 columns.
  struct pair {
    __m512 low, high;
  };

  [[gnu::always_inline]] DSMM_TARGET("avx512f,avx512bw,avx512vl") static inline pair load(const float* from) noexcept {
    return {_mm512_loadu_ps(from), _mm512_loadu_ps(from + 16)};
  }

  /// q as f32, or q - zero where the table says so.
  template <bool OneZero, bool Wide>
  [[gnu::always_inline]] DSMM_TARGET("avx512f,avx512bw,avx512vl") static inline pair
      numbers(const std::uint8_t* q, __m512 table, const pair& zero) noexcept {
    const __m512i a = _mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)));
    pair v;
    if constexpr (Wide) {
      const __m512i b = _mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(q + 16)));
      v = {_mm512_maskz_cvtepi32_ps(0xFFFF, a), _mm512_maskz_cvtepi32_ps(0xFFFF, b)};
    } else {
      v = {_mm512_maskz_permutexvar_ps(0xFFFF, a, table),
           _mm512_maskz_permutexvar_ps(0xFFFF, _mm512_maskz_srli_epi32(0xFFFF, a, 4), table)};
    }
    if constexpr (OneZero) return v;
    return {_mm512_sub_ps(v.low, zero.low), _mm512_sub_ps(v.high, zero.high)};
  }

  template <bool OneZero>
  [[gnu::always_inline]] DSMM_TARGET("avx512f,avx512bw,avx512vl") static inline __m512
      table_of(const packed_weights& p) noexcept {
    if constexpr (OneZero) return _mm512_loadu_ps(p.table);
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }

  template <bool OneZero, bool Wide>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void expand_as(const packed_weights& p, std::int64_t panel, std::int64_t k0, std::int64_t steps,
                        std::int64_t first, std::int64_t columns, float* to) noexcept {
    const __m512 table = table_of<OneZero>(p);
    const pair zero = load(p.zero + p.grid(panel, k0)), scale = load(p.scale + p.grid(panel, k0));
    const std::uint8_t* q = p.at(panel, k0);
    for (std::int64_t k = 0; k < steps; ++k, q += Wide ? 32 : 16, to += columns) {
      const pair v = numbers<OneZero, Wide>(q, table, zero);
      const __m512 low = _mm512_mul_ps(v.low, scale.low), high = _mm512_mul_ps(v.high, scale.high);
      _mm512_storeu_ps(to, first == 0 ? low : high);
      if (columns == 32) _mm512_storeu_ps(to + 16, high);
    }
  }

  template <bool OneZero, bool Wide>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void row_as(const packed_weights& p, const float* x, std::int64_t panel, std::int64_t count,
                     float* y) noexcept {
    if (count == 4) return panels<4, OneZero, Wide>(p, x, panel, y);
    for (std::int64_t i = 0; i < count; ++i) panels<1, OneZero, Wide>(p, x, panel + i, y + i * panel_columns);
  }

  template <int Count, bool OneZero, bool Wide>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void panels(const packed_weights& p, const float* x, std::int64_t panel, float* y) noexcept {
    const __m512 table = table_of<OneZero>(p);
    const std::int64_t apart = p.k * (Wide ? 32 : 16);
    const std::uint8_t* q = p.at(panel, 0);
    pair sum[Count];
    for (int i = 0; i < Count; ++i) sum[i] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (std::int64_t k0 = 0; k0 < p.k; k0 += p.block) {
      pair zero[Count], scale[Count];
      for (int i = 0; i < Count; ++i) {
        zero[i] = load(p.zero + p.grid(panel + i, k0));
        scale[i] = load(p.scale + p.grid(panel + i, k0));
      }
      const std::int64_t last = std::min(k0 + p.block, p.k);
      for (std::int64_t k = k0; k < last; ++k, q += Wide ? 32 : 16) {
        const __m512 factor = _mm512_set1_ps(x[k]);
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) {
          const pair v = numbers<OneZero, Wide>(q + i * apart, table, zero[i]);
          sum[i].low = _mm512_fmadd_ps(factor, _mm512_mul_ps(v.low, scale[i].low), sum[i].low);
          sum[i].high = _mm512_fmadd_ps(factor, _mm512_mul_ps(v.high, scale[i].high), sum[i].high);
        }
      }
    }
    for (int i = 0; i < Count; ++i, y += panel_columns) {
      _mm512_storeu_ps(y, sum[i].low);
      _mm512_storeu_ps(y + 16, sum[i].high);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::nbits_impl
