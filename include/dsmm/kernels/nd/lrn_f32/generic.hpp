// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::lrn_impl {

/// The specification of the two halves of a local response normalisation in f32.
struct generic {
  static constexpr isa required = isa::generic;

  /// sum[i] = the squares of x[i], x[i + pitch], ..., x[i + (rows - 1) pitch], added in that order.
  static void squares(const float* x, std::size_t pitch, std::size_t rows, float* sum, std::size_t n) noexcept {
    with_avx2([=]() __attribute__((always_inline)) {
      for (std::size_t i = 0; i < n; ++i) sum[i] = x[i] * x[i];
      for (std::size_t r = 1; r < rows; ++r) {
        const float* const from = x + r * pitch;
        for (std::size_t i = 0; i < n; ++i) sum[i] += from[i] * from[i];
      }
    });
  }

  /// y[i] = x[i] / b^(3/4), b = bias + alpha * sum[i]; NaN for a negative b. y may be sum.
  static void divide(const float* x, const float* sum, float alpha, float bias, float* y, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
      const float root = __builtin_sqrtf(bias + alpha * sum[i]);
      y[i] = canonical(x[i] / (root * __builtin_sqrtf(root)));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::lrn_impl
