// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <numeric>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// CenterCropPad: cuts the middle out of axes that are too long, puts zeros around those that are too short.
namespace dsmm::inline DSMM_ABI::convert {

inline void lower_center_crop_pad(node_scope& s) {
  var x = s.in(0);
  const dim_list wanted = s.constant(1, "CenterCropPad: the shape must be known when the model is imported");
  dim_list all(x.dims().size());
  std::iota(all.begin(), all.end(), 0);
  const dim_list axes = s.axes(s.integers("axes", all), x.rank());
  if (s.to.failed()) return;
  if (wanted.size() != axes.size()) return s.fail(errc::bad_value, "CenterCropPad: the shape is not one per axis");
  dim_list begins(x.dims().size(), 0), ends = begins;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t n = x.dim(axes[i]), missing = wanted[i] - n;
    if (wanted[i] < 0 || wanted[i] > format::max_extent)
      return s.fail(errc::bad_value, "CenterCropPad: an extent cannot be");
    if (missing <= 0) x = slice(x, axes[i], -missing / 2, wanted[i]);
    if (missing <= 0) continue;
    begins[static_cast<std::size_t>(axes[i])] = missing / 2;
    ends[static_cast<std::size_t>(axes[i])] = missing - missing / 2;
  }
  s.out[0] = pad(x, kernels::nd::pad_fn::constant, begins, ends);
}

inline constexpr lowering center_crop_pad_lowerings[] = {{"", "CenterCropPad", lower_center_crop_pad}};

}  // namespace dsmm::inline DSMM_ABI::convert
