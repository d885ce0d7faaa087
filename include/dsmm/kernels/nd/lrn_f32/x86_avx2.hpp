// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/nd/lrn_f32/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::lrn_impl {

/// Roots of eight values at once: compilers leave the loop alone, because a root may set errno.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;
  static constexpr auto squares = generic::squares;

  DSMM_TARGET("avx2")
  static void divide(const float* x, const float* sum, float alpha, float bias, float* y, std::size_t n) noexcept {
    const __m256 a = _mm256_set1_ps(alpha), b = _mm256_set1_ps(bias), none = _mm256_set1_ps(quiet_nan);
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
      const __m256 root = _mm256_sqrt_ps(_mm256_add_ps(b, _mm256_mul_ps(a, _mm256_loadu_ps(sum + i))));
      const __m256 v = _mm256_div_ps(_mm256_loadu_ps(x + i), _mm256_mul_ps(root, _mm256_sqrt_ps(root)));
      _mm256_storeu_ps(y + i, _mm256_blendv_ps(none, v, _mm256_cmp_ps(v, v, _CMP_ORD_Q)));
    }
    generic::divide(x + i, sum + i, alpha, bias, y + i, n - i);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::lrn_impl
