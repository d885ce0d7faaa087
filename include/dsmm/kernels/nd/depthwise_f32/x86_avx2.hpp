// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/depthwise_f32/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl {

/// Blocks of 32 and 8 outputs with their sums in registers; strides 1 and 2, others are left to the generic one.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  DSMM_TARGET("avx2,fma")
  static std::int64_t add(const run& r) noexcept {
    if (r.step == 1) return blocks<1>(r, r.count);
    // Eight outputs of stride 2 load sixteen floats, one more than they use: the last output is not for a block.
    return r.step == 2 ? blocks<2>(r, r.count - 1) : 0;
  }

private:
  template <int Step>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256 load(const float* from) noexcept {
    const __m256 a = _mm256_loadu_ps(from);
    if constexpr (Step == 1) return a;
    const __m256 pairs = _mm256_shuffle_ps(a, _mm256_loadu_ps(from + 8), 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(pairs), 0xD8));
  }

  template <int Step>
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline std::int64_t
      blocks(const run& r, std::int64_t count) noexcept {
    std::int64_t j = 0;
    for (; j + 32 <= count; j += 32) {
      float* const y = r.y + j;
      __m256 a = _mm256_loadu_ps(y), b = _mm256_loadu_ps(y + 8), c = _mm256_loadu_ps(y + 16),
             d = _mm256_loadu_ps(y + 24);
      const float* from = r.from + j * Step;
      for (std::int64_t k = 0; k < r.taps; ++k, from += r.dilation) {
        const __m256 w = _mm256_set1_ps(r.w[k]);
        a = _mm256_fmadd_ps(w, load<Step>(from), a);
        b = _mm256_fmadd_ps(w, load<Step>(from + 8 * Step), b);
        c = _mm256_fmadd_ps(w, load<Step>(from + 16 * Step), c);
        d = _mm256_fmadd_ps(w, load<Step>(from + 24 * Step), d);
      }
      _mm256_storeu_ps(y, a);
      _mm256_storeu_ps(y + 8, b);
      _mm256_storeu_ps(y + 16, c);
      _mm256_storeu_ps(y + 24, d);
    }
    for (; j + 8 <= count; j += 8) {
      __m256 a = _mm256_loadu_ps(r.y + j);
      const float* from = r.from + j * Step;
      for (std::int64_t k = 0; k < r.taps; ++k, from += r.dilation)
        a = _mm256_fmadd_ps(_mm256_set1_ps(r.w[k]), load<Step>(from), a);
      _mm256_storeu_ps(r.y + j, a);
    }
    return j;
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl
