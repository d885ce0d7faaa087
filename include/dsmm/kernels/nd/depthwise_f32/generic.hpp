// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl {

/// One kernel row over a run of outputs whose taps all lie inside the input.
struct run {
  const float* from;  ///< first tap of the first output
  std::int64_t step, dilation, taps;
  const float* w;
  float* y;
  std::int64_t count;
};

/// Adds the taps, ascending, to as many of the outputs as it likes, from the first on; says how many.
using run_function = std::int64_t (*)(const run& r) noexcept;

/// All of them, one by one: the specification.
struct generic {
  static constexpr isa required = isa::generic;

  static std::int64_t add(const run& r) noexcept {
    for (std::int64_t j = 0; j < r.count; ++j)
      for (std::int64_t k = 0; k < r.taps; ++k)
        r.y[j] = __builtin_fmaf(r.w[k], r.from[j * r.step + k * r.dilation], r.y[j]);
    return r.count;
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl
