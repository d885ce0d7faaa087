// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/fused.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/depthwise_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/depthwise_f32/x86_avx2.hpp"
#include "dsmm/kernels/nd/depthwise_f32/x86_avx512.hpp"
#endif

/// Depthwise f32 convolutions, a plane at a time: a strip of input rows is copied with its padding, so that no output
/// is an edge.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using depthwise_variants = kernel_list<depthwise_impl::x86_avx512, depthwise_impl::x86_avx2, depthwise_impl::generic>;
#else
using depthwise_variants = kernel_list<depthwise_impl::generic>;
#endif

/// A variant as data.
struct depthwise_kernel {
  depthwise_impl::run_function outputs;
  depthwise_impl::plane_function (*plane_for)(const window_shape& s) noexcept;  ///< null where it has none
};

inline depthwise_kernel depthwise_kernel_for(isa level) noexcept {
  return depthwise_variants::choose(level, []<class V>(std::type_identity<V>) -> depthwise_kernel {
    return {&V::outputs, &V::plane_for};
  });
}

namespace depthwise_impl {

/// Output by output, where a strip does not fit or there are three axes.
inline void plane_by_output(const window_shape& s, const float* x, const float* w, float* y) noexcept {
  for (std::int64_t o = 0; o < s.outputs(); ++o) {
    const std::int64_t ow = o % s.out[2], oh = o / s.out[2] % s.out[1], od = o / (s.out[2] * s.out[1]);
    float sum = 0.0f;
    for (std::int64_t k = 0; k < s.taps(); ++k) {
      const std::int64_t column = ow * s.stride[2] + k % s.kernel[2] * s.dilation[2] - s.pad[2];
      const std::int64_t row = oh * s.stride[1] + k / s.kernel[2] % s.kernel[1] * s.dilation[1] - s.pad[1];
      const std::int64_t d = od * s.stride[0] + k / (s.kernel[2] * s.kernel[1]) * s.dilation[0] - s.pad[0];
      const bool inside = column >= 0 && row >= 0 && d >= 0 && column < s.in[2] && row < s.in[1] && d < s.in[0];
      sum = fused::of_build::fma(w[k], inside ? x[(d * s.in[1] + row) * s.in[2] + column] : 0.0f, sum);
    }
    y[o] = sum;
  }
}

}  // namespace depthwise_impl

/// y = sum over taps of w * x for one plane, padding as zeros.
inline void depthwise_plane(const window_shape& s, const float* x, const float* w, float* y,
                            depthwise_impl::run_function outputs) noexcept {
  constexpr std::int64_t room = 16'384;  // floats: 64 KiB on the stack
  const std::int64_t width = (s.out[2] - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] + 1;
  const std::int64_t pitch = width + depthwise_impl::slack, reach = (s.kernel[1] - 1) * s.dilation[1] + 1;
  if (s.kernel[0] != 1 || s.in[0] != 1 || reach * pitch > room) return depthwise_impl::plane_by_output(s, x, w, y);
  const std::int64_t strip = (room / pitch - reach) / s.stride[1] + 1;
  alignas(64) float rows[room];
  const std::int64_t left = std::min(s.pad[2], width), copied = std::min(s.in[2], width - left);
  for (std::int64_t first = 0; first < s.out[1]; first += strip) {
    const std::int64_t count = std::min(strip, s.out[1] - first), lines = (count - 1) * s.stride[1] + reach;
    for (std::int64_t i = 0; i < lines; ++i) {
      const std::int64_t h = first * s.stride[1] - s.pad[1] + i;
      float* const to = rows + i * pitch;
      if (h < 0 || h >= s.in[1]) {
        std::fill_n(to, pitch, 0.0f);
        continue;
      }
      std::fill_n(to, left, 0.0f);
      copy_floats(to + left, x + h * s.in[2], copied);
      std::fill_n(to + left + copied, pitch - left - copied, 0.0f);
    }
    for (std::int64_t r = 0; r < count; ++r)
      outputs({rows + r * s.stride[1] * pitch, s.dilation[1] * pitch, s.stride[2], s.dilation[2], s.kernel[1],
               s.kernel[2], w, y + (first + r) * s.out[2], s.out[2]});
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
