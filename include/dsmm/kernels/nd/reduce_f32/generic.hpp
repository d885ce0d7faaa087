// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/reduce.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::reduce_f32_impl {

/// The specification: the 64 lanes of kernels/reduce.hpp.
struct generic {
  static constexpr isa required = isa::generic;

  /// Sum of x[i].
  static float sum(const float* x, std::size_t n) noexcept { return kernels::sum(x, n); }

  /// kernels::max() of n floats.
  static float largest(const float* x, std::size_t n) noexcept { return kernels::max(x, n); }

  /// Sum of (x[i] - centre)^2, square and sum rounded each.
  static float squares(const float* x, std::size_t n, float centre) noexcept {
    float y = 0.0f;
    with_avx2([&y, x, n, centre ]() __attribute__((always_inline)) {
      y = sum_of(
          n, [ x, centre ](std::size_t i) __attribute__((always_inline)) {
            const float d = x[i] - centre;
            return d * d;
          });
    });
    return y;
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::reduce_f32_impl
