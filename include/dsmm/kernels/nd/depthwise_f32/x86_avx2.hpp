// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/depthwise_f32/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl {

/// Blocks of 32 and 8 outputs with their sums in registers; the last block of 8 may compute outputs again. Strides 1
/// and 2, others are left to the generic one.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  static plane_function plane_for(const window_shape&) noexcept { return nullptr; }

  static void outputs(const run& r) noexcept {
    if (r.step == 1) row<1>(r);
    else if (r.step == 2) row<2>(r);
    else generic::outputs(r);
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
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256 eight(const run& r, const float* from) noexcept {
    __m256 sum = _mm256_setzero_ps();
    const float* w = r.w;
    for (std::int64_t h = 0; h < r.kernel_h; ++h, from += r.pitch)
      for (std::int64_t k = 0; k < r.kernel_w; ++k, ++w)
        sum = _mm256_fmadd_ps(_mm256_set1_ps(*w), load<Step>(from + k * r.dilation), sum);
    return sum;
  }

  template <int Step>
  DSMM_TARGET("avx2,fma")
  static void row(const run& r) noexcept {
    std::int64_t j = 0;
    for (; j + 32 <= r.count; j += 32) {
      __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
      const float* line = r.from + j * Step;
      const float* w = r.w;
      for (std::int64_t h = 0; h < r.kernel_h; ++h, line += r.pitch) {
        const float* from = line;
        for (std::int64_t k = 0; k < r.kernel_w; ++k, ++w, from += r.dilation) {
          const __m256 factor = _mm256_set1_ps(*w);
          a = _mm256_fmadd_ps(factor, load<Step>(from), a);
          b = _mm256_fmadd_ps(factor, load<Step>(from + 8 * Step), b);
          c = _mm256_fmadd_ps(factor, load<Step>(from + 16 * Step), c);
          d = _mm256_fmadd_ps(factor, load<Step>(from + 24 * Step), d);
        }
      }
      _mm256_storeu_ps(r.y + j, a);
      _mm256_storeu_ps(r.y + j + 8, b);
      _mm256_storeu_ps(r.y + j + 16, c);
      _mm256_storeu_ps(r.y + j + 24, d);
    }
    for (; j + 8 <= r.count; j += 8) _mm256_storeu_ps(r.y + j, eight<Step>(r, r.from + j * Step));
    if (j == r.count) return;
    if (r.count >= 8) return _mm256_storeu_ps(r.y + r.count - 8, eight<Step>(r, r.from + (r.count - 8) * Step));
    float last[8];
    _mm256_storeu_ps(last, eight<Step>(r, r.from));
    std::copy_n(last, r.count, r.y);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl
