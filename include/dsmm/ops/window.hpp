// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// The sliding window of a 2-D convolution.
struct spatial_window {
  std::int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;

  /// What output y reads beyond the edges of input x.
  constexpr halo halo_around(extents x, extents y) const noexcept {
    const auto beyond = [](std::int32_t out, std::int32_t stride, std::int32_t kernel, std::int32_t dilation,
                           std::int32_t pad, std::int32_t in) {
      const std::int32_t last = (out - 1) * stride + (kernel - 1) * dilation - pad;
      return last >= in ? last - in + 1 : 0;
    };
    return {pad_top, pad_left, beyond(y.h, stride_h, kernel_h, dilation_h, pad_top, x.h),
            beyond(y.w, stride_w, kernel_w, dilation_w, pad_left, x.w)};
  }
};

/// The window of a conv2d or dwconv2d op: its weights are input 1, its first eight attributes place it.
inline spatial_window window_of(const op_view& op) noexcept {
  const format::tensor_row& w = op.input(1);
  return {w.dims[1],       w.dims[2],       op.attribute(0), op.attribute(1),
          op.attribute(2), op.attribute(3), op.attribute(6), op.attribute(7)};
}

}  // namespace dsmm::inline DSMM_ABI::ops
