// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/gemm_f32/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl {

/// 6 rows of two registers: 12 sums, two of b and one of a fill the register file.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;
  static constexpr int rows = 6, columns = 16;

  static void pack(const float* a, std::ptrdiff_t row, std::int64_t count, std::int64_t k, float* packed) noexcept {
    pack_blocks<rows>(a, row, count, k, packed);
  }

  template <int R, part P>
  DSMM_TARGET("avx2,fma")
  static void tile(const float* a, const float* b, std::ptrdiff_t pitch, std::size_t depth, float* c,
                   std::ptrdiff_t row, bool first, std::int64_t count, later next) noexcept {
    run<P>(std::make_integer_sequence<int, R>{}, a, b, pitch, depth, c, row, first, count, next);
  }

private:
  /// All ones in the first n lanes.
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256i first_lanes(std::int64_t n) noexcept {
    const int last = n < 0 ? 0 : n > 8 ? 8 : static_cast<int>(n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(last), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  template <part P>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256 load(const float* from, __m256i mask) noexcept {
    if constexpr (P == part::all) return _mm256_loadu_ps(from);
    else return _mm256_maskload_ps(from, mask);
  }
  template <part P>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline void store(float* to, __m256i mask, __m256 v) noexcept {
    if constexpr (P == part::all) _mm256_storeu_ps(to, v);
    else _mm256_maskstore_ps(to, mask, v);
  }

  template <part P, int... r>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline void run(std::integer_sequence<int, r...>,
                                                                        const float* a, const float* b,
                                                                        std::ptrdiff_t pitch, std::size_t depth,
                                                                        float* c, std::ptrdiff_t row, bool first,
                                                                        std::int64_t count, later next) noexcept {
    const __m256i m0 = first_lanes(count), m1 = first_lanes(count - 8);
    __m256 low[] = {(first ? _mm256_setzero_ps() : load<P>(c + r * row, m0))...};
    if constexpr (P == part::half) {
      for (std::size_t k = 0; k < depth; ++k, a += rows, b += pitch) {
        const __m256 b0 = _mm256_loadu_ps(b);
        ((low[r] = _mm256_fmadd_ps(_mm256_set1_ps(a[r]), b0, low[r])), ...);
      }
      (store<P>(c + r * row, m0, low[r]), ...);
      return;
    }
    __m256 high[] = {(first ? _mm256_setzero_ps() : load<P>(c + r * row + 8, m1))...};
    for (std::size_t k = 0; k < depth; ++k, a += rows, b += pitch, next.at += next.step) {
      const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
      __builtin_prefetch(next.at, 0, 2);
      ((low[r] = _mm256_fmadd_ps(_mm256_set1_ps(a[r]), b0, low[r]),
        high[r] = _mm256_fmadd_ps(_mm256_set1_ps(a[r]), b1, high[r])),
       ...);
    }
    ((store<P>(c + r * row, m0, low[r]), store<P>(c + r * row + 8, m1, high[r])), ...);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl
