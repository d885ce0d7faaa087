// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl {

/// 6 rows of two registers: 12 sums, two of b and one of a fill the register file.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;
  static constexpr int rows = 6, columns = 16;

  template <int R>
  DSMM_TARGET("avx2,fma")
  static void tile(const float* a, const float* b, std::size_t depth, float* c, std::ptrdiff_t row,
                   bool first) noexcept {
    run(std::make_integer_sequence<int, R>{}, a, b, depth, c, row, first);
  }

private:
  template <int... r>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline void run(std::integer_sequence<int, r...>,
                                                                        const float* a, const float* b,
                                                                        std::size_t depth, float* c, std::ptrdiff_t row,
                                                                        bool first) noexcept {
    __m256 low[] = {(first ? _mm256_setzero_ps() : _mm256_loadu_ps(c + r * row))...};
    __m256 high[] = {(first ? _mm256_setzero_ps() : _mm256_loadu_ps(c + r * row + 8))...};
    for (std::size_t k = 0; k < depth; ++k, a += rows, b += columns) {
      const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
      ((low[r] = _mm256_fmadd_ps(_mm256_set1_ps(a[r]), b0, low[r]),
        high[r] = _mm256_fmadd_ps(_mm256_set1_ps(a[r]), b1, high[r])),
       ...);
    }
    ((_mm256_storeu_ps(c + r * row, low[r]), _mm256_storeu_ps(c + r * row + 8, high[r])), ...);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl
