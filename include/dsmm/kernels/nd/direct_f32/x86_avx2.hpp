// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/direct_f32/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::direct_impl {

/// 6 pixels of two registers: 12 sums, two of w and one of x fill the register file.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;
  static constexpr int rows = 6, columns = 16;

  template <int R, int Step, int Parts, bool Half>
  DSMM_TARGET("avx2,fma")
  static void tile(const float* x, std::ptrdiff_t second, const std::int32_t* offsets, const float* w,
                   std::int64_t depth, float* sums, const float* next, std::int64_t next_step) noexcept {
    run<R / Parts, Step, Half>(std::make_integer_sequence<int, R>{}, x, x + second, offsets, w, depth, sums, next,
                               next_step);
  }

private:
  template <int Part, int Step, bool Half, int... r>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline void run(
      std::integer_sequence<int, r...>, const float* x, const float* y, const std::int32_t* offsets, const float* w,
      std::int64_t depth, float* sums, const float* next, std::int64_t next_step) noexcept {
    __m256 low[] = {(static_cast<void>(r), _mm256_setzero_ps())...};
    if constexpr (Half) {
      for (std::int64_t k = 0; k < depth; ++k, w += columns, next += next_step) {
        __builtin_prefetch(next, 0, 2);
        const float *const a = x + offsets[k], *const b = y + offsets[k];
        const __m256 w0 = _mm256_loadu_ps(w);
        ((low[r] = _mm256_fmadd_ps(_mm256_set1_ps((r < Part ? a : b)[r % Part * Step]), w0, low[r])), ...);
      }
      (_mm256_storeu_ps(sums + r * columns, low[r]), ...);
      return;
    }
    __m256 high[] = {(static_cast<void>(r), _mm256_setzero_ps())...};
    for (std::int64_t k = 0; k < depth; ++k, w += columns, next += next_step) {
      __builtin_prefetch(next, 0, 2);
      const float *const a = x + offsets[k], *const b = y + offsets[k];
      const __m256 w0 = _mm256_loadu_ps(w), w1 = _mm256_loadu_ps(w + 8);
      ((low[r] = _mm256_fmadd_ps(_mm256_set1_ps((r < Part ? a : b)[r % Part * Step]), w0, low[r]),
        high[r] = _mm256_fmadd_ps(_mm256_set1_ps((r < Part ? a : b)[r % Part * Step]), w1, high[r])),
       ...);
    }
    ((_mm256_storeu_ps(sums + r * columns, low[r]), _mm256_storeu_ps(sums + r * columns + 8, high[r])), ...);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::direct_impl
