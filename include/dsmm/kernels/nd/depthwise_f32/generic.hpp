// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/fused.hpp"
#include "dsmm/kernels/nd/conv_epilogue/generic.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl {

/// Floats that may be read behind the last tap of a row.
inline constexpr std::int64_t slack = 64;

/// One row of outputs from padded rows of inputs.
struct run {
  const float* from;   ///< tap (0, 0) of the first output
  std::int64_t pitch;  ///< floats from one kernel row's inputs to the next one's
  std::int64_t step, dilation, kernel_h, kernel_w;
  const float* w;
  float* y;
  std::int64_t count;
};

using run_function = void (*)(const run& r) noexcept;

/// One plane with its end, for some geometries alone: y of `channel` lies at `offset` of all outputs.
using plane_function = void (*)(const window_shape& s, const float* x, const float* w, const conv_impl::epilogue& e,
                                float* y, std::int64_t offset, std::int64_t channel) noexcept;

/// The specification: one chain over the taps in ascending order, padding included.
struct generic {
  static constexpr isa required = isa::generic;

  static plane_function plane_for(const window_shape&) noexcept { return nullptr; }

  static void outputs(const run& r) noexcept {
    for (std::int64_t j = 0; j < r.count; ++j) {
      float sum = 0.0f;
      for (std::int64_t h = 0; h < r.kernel_h; ++h)
        for (std::int64_t k = 0; k < r.kernel_w; ++k)
          sum = fused::of_build::fma(r.w[h * r.kernel_w + k], r.from[h * r.pitch + j * r.step + k * r.dilation], sum);
      r.y[j] = sum;
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl
