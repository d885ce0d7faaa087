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

/// 14 pixels of two registers: 28 sums, two of w and one of x fill the register file.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;
  static constexpr int rows = 14, columns = 32;

  template <int R, int Step, int Parts, bool Half>
  DSMM_TARGET("avx512f")
  static void tile(const float* x, std::ptrdiff_t second, const std::int32_t* offsets, const float* w,
                   std::int64_t depth, float* sums, const float* next, std::int64_t next_step) noexcept {
    run<R / Parts, Step, Half>(std::make_integer_sequence<int, R>{}, x, x + second, offsets, w, depth, sums, next,
                               next_step);
  }

private:
  template <int Part, int Step, bool Half, int... r>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline void run(std::integer_sequence<int, r...>, const float* x,
                                                                       const float* y, const std::int32_t* offsets,
                                                                       const float* w, std::int64_t depth, float* sums,
                                                                       const float* next,
                                                                       std::int64_t next_step) noexcept {
    __m512 low[] = {(static_cast<void>(r), _mm512_setzero_ps())...};
    if constexpr (Half) {
      for (std::int64_t k = 0; k < depth; ++k, w += columns, next += next_step) {
        __builtin_prefetch(next, 0, 2);
        const float *const a = x + offsets[k], *const b = y + offsets[k];
        const __m512 w0 = _mm512_loadu_ps(w);
        ((low[r] = _mm512_fmadd_ps(_mm512_set1_ps((r < Part ? a : b)[r % Part * Step]), w0, low[r])), ...);
      }
      (_mm512_storeu_ps(sums + r * columns, low[r]), ...);
      return;
    }
    __m512 high[] = {(static_cast<void>(r), _mm512_setzero_ps())...};
    for (std::int64_t k = 0; k < depth; ++k, w += columns, next += next_step) {
      __builtin_prefetch(next, 0, 2);
      const float *const a = x + offsets[k], *const b = y + offsets[k];
      const __m512 w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(w + 16);
      ((low[r] = _mm512_fmadd_ps(_mm512_set1_ps((r < Part ? a : b)[r % Part * Step]), w0, low[r]),
        high[r] = _mm512_fmadd_ps(_mm512_set1_ps((r < Part ? a : b)[r % Part * Step]), w1, high[r])),
       ...);
    }
    ((_mm512_storeu_ps(sums + r * columns, low[r]), _mm512_storeu_ps(sums + r * columns + 16, high[r])), ...);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::direct_impl
