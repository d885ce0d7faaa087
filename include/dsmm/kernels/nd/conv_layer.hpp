// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/view.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl {

/// What a call convolves.
struct conv_shape {
  window_shape window;
  std::int64_t batch, groups, in_channels, out_channels;  ///< channels of one group

  explicit conv_shape(const call& c) noexcept {
    const view &x = c.in[0], &w = c.in[1], &y = c.out[0];
    const auto spatial = static_cast<std::size_t>(c.attribute(1));
    window = window_of(c, x, y, spatial, 5);
    for (std::size_t i = 0; i < spatial; ++i) window.kernel[3 - spatial + i] = w.dims[2 + i];
    if (window.pointwise()) window.flatten();
    batch = x.dims[0];
    groups = c.attribute(0);
    in_channels = w.dims[1];
    out_channels = w.dims[0] / groups;
  }
  std::int64_t depth() const noexcept { return in_channels * window.taps(); }
  bool depthwise() const noexcept { return in_channels == 1 && out_channels <= 2 && groups > 1; }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl
