// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl {

/// 14 rows of two registers: 28 sums, two of b and one of a fill the register file.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512vnni;
  static constexpr int rows = 14, columns = 32;

  template <int R>
  DSMM_TARGET("avx512f")
  static void tile(const float* a, const float* b, std::size_t depth, float* c, std::ptrdiff_t row,
                   bool first) noexcept {
    run(std::make_integer_sequence<int, R>{}, a, b, depth, c, row, first);
  }

private:
  template <int... r>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline void run(std::integer_sequence<int, r...>, const float* a,
                                                                       const float* b, std::size_t depth, float* c,
                                                                       std::ptrdiff_t row, bool first) noexcept {
    __m512 low[] = {(first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + r * row))...};
    __m512 high[] = {(first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + r * row + 16))...};
    for (std::size_t k = 0; k < depth; ++k, a += rows, b += columns) {
      const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
      ((low[r] = _mm512_fmadd_ps(_mm512_set1_ps(a[r]), b0, low[r]),
        high[r] = _mm512_fmadd_ps(_mm512_set1_ps(a[r]), b1, high[r])),
       ...);
    }
    ((_mm512_storeu_ps(c + r * row, low[r]), _mm512_storeu_ps(c + r * row + 16, high[r])), ...);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl
