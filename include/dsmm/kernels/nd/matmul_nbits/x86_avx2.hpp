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

/// Four registers of 8 columns to a panel. A row takes 2 panels at once: 8 chains of sums hide the cycles of a
/// multiply-add; scales and zero points come from the first cache.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  DSMM_TARGET("avx2,fma")
  static void expand(const packed_weights& p, std::int64_t panel, std::int64_t k0, std::int64_t steps,
                     std::int64_t first, std::int64_t columns, float* to) noexcept {
    for (std::int64_t j = 0; j < columns; j += 16) {
      if (first + j == 0)
        p.wide ? half<true, 0>(p, panel, k0, steps, columns, to) : half<false, 0>(p, panel, k0, steps, columns, to);
      else
        p.wide ? half<true, 2>(p, panel, k0, steps, columns, to + j)
               : half<false, 2>(p, panel, k0, steps, columns, to + j);
    }
  }

  DSMM_TARGET("avx2,fma")
  static void row(const packed_weights& p, const float* x, std::int64_t panel, std::int64_t count, float* y) noexcept {
    std::int64_t i = 0;
    for (; i + 2 <= count; i += 2)
      p.wide ? panels<2, true>(p, x, panel + i, y + i * panel_columns)
             : panels<2, false>(p, x, panel + i, y + i * panel_columns);
    if (i < count)
      p.wide ? panels<1, true>(p, x, panel + i, y + i * panel_columns)
             : panels<1, false>(p, x, panel + i, y + i * panel_columns);
  }

private:
  /// Registers `First` and `First` + 1 of a panel, one step of `row` floats after the other.
  template <bool Wide, int First>
  DSMM_TARGET("avx2,fma")
  static void half(const packed_weights& p, std::int64_t panel, std::int64_t k0, std::int64_t steps, std::int64_t row,
                   float* to) noexcept {
    const float *const zero = p.zero + p.grid(panel, k0), *const scale = p.scale + p.grid(panel, k0);
    const std::uint8_t* q = p.at(panel, k0);
    for (std::int64_t k = 0; k < steps; ++k, q += Wide ? 32 : 16, to += row) {
      _mm256_storeu_ps(to, weights<Wide>(q, First, zero, scale));
      _mm256_storeu_ps(to + 8, weights<Wide>(q, First + 1, zero, scale));
    }
  }

  /// Of columns [8 r, 8 r + 8) of a panel.
  template <bool Wide>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256
      weights(const std::uint8_t* q, int r, const float* zero, const float* scale) noexcept {
    const auto* const from = reinterpret_cast<const __m128i*>(q + (Wide ? r : r % 2) * 8);
    __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64(from));
    if constexpr (!Wide) v = r < 2 ? _mm256_and_si256(v, _mm256_set1_epi32(15)) : _mm256_srli_epi32(v, 4);
    return _mm256_mul_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(v), _mm256_loadu_ps(zero + r * 8)),
                         _mm256_loadu_ps(scale + r * 8));
  }

  template <int Count, bool Wide>
  DSMM_TARGET("avx2,fma")
  static void panels(const packed_weights& p, const float* x, std::int64_t panel, float* y) noexcept {
    const std::int64_t apart = p.k * (Wide ? 32 : 16), grid_apart = p.blocks() * panel_columns;
    const std::uint8_t* q = p.at(panel, 0);
    __m256 sum[Count * 4];
    for (int i = 0; i < Count * 4; ++i) sum[i] = _mm256_setzero_ps();
    for (std::int64_t k0 = 0; k0 < p.k; k0 += p.block) {
      const float *const zero = p.zero + p.grid(panel, k0), *const scale = p.scale + p.grid(panel, k0);
      const std::int64_t last = std::min(k0 + p.block, p.k);
      for (std::int64_t k = k0; k < last; ++k, q += Wide ? 32 : 16) {
        const __m256 factor = _mm256_set1_ps(x[k]);
#pragma GCC unroll 8
        for (int i = 0; i < Count * 4; ++i)
          sum[i] = _mm256_fmadd_ps(
              factor, weights<Wide>(q + i / 4 * apart, i % 4, zero + i / 4 * grid_apart, scale + i / 4 * grid_apart),
              sum[i]);
      }
    }
    for (int i = 0; i < Count * 4; ++i) _mm256_storeu_ps(y + i * 8, sum[i]);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::nbits_impl
