// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/build/window.hpp"
#include "dsmm/convert/node_scope.hpp"

/// DeformConv: a convolution whose taps are moved by offsets that the network computes.
namespace dsmm::inline DSMM_ABI::convert {

namespace deform_conv_impl {

/// Where each tap lies without an offset: (taps, 2, positions), rows before columns.
inline var places(builder& to, const window& w, const dim_list& positions) {
  std::vector<float> at;
  for (std::int64_t ky = 0; ky < w.kernel[0]; ++ky)
    for (std::int64_t kx = 0; kx < w.kernel[1]; ++kx)
      for (std::size_t axis = 0; axis < 2; ++axis)
        for (std::int64_t y = 0; y < positions[0]; ++y)
          for (std::int64_t x = 0; x < positions[1]; ++x) {
            const std::int64_t step = axis == 0 ? y : x, tap = axis == 0 ? ky : kx;
            at.push_back(static_cast<float>(step * w.strides[axis] - w.begins[axis] + tap * w.dilations[axis]));
          }
  return to.constant(dtype::f32, {w.kernel[0] * w.kernel[1], 2, positions[0], positions[1]},
                     std::span<const float>(at));
}

/// Places in elements as nd_grid_sample reads them without align_corners: (.., taps, 2, h, w) -> (.., taps * h, w, 2).
inline var grid(var at, const dim_list& extents) {
  builder& to = *at.to;
  const auto n = [&](std::size_t i) { return static_cast<float>(extents[i]); };
  const float scale[] = {2 / n(0), 2 / n(1)}, shift[] = {1 / n(0) - 1, 1 / n(1) - 1};
  const auto pair = [&](std::span<const float> v) { return cast(to.constant(dtype::f32, {2, 1, 1}, v), at.type()); };
  const var places = transpose(at * pair(scale) + pair(shift), {0, 1, 3, 4, 2});
  if (to.failed()) return places;
  const var columns_first = slice(places, 4, 1, 2, -1);
  return to.reshape(columns_first, {at.dim(0), at.dim(1) * at.dim(3), at.dim(4), 2});
}

}  // namespace deform_conv_impl

/// x (N, C, H, W), weights (M, C / group, kh, kw), offset (N, offset_group * kh * kw * 2, h, w), bias?, mask?
inline void lower_deform_conv(node_scope& s) {
  using namespace deform_conv_impl;
  const var x = s.in(0), weights = s.in(1), offset = s.in(2);
  if (s.to.failed()) return;
  const std::int64_t group = s.integer("group", 1), offset_group = s.integer("offset_group", 1);
  if (x.rank() != 4 || weights.rank() != 4) return s.fail(errc::unsupported, "DeformConv: only pictures are supported");
  if (group < 1 || offset_group < 1 || x.dim(1) % group != 0 || x.dim(1) % offset_group != 0 ||
      weights.dim(0) % group != 0 || weights.dim(1) * group != x.dim(1))
    return s.fail(errc::shape_mismatch, "DeformConv: the weights or groups do not fit the channels");
  const window w = read_window(s, spatial_of(weights), spatial_of(x));
  if (s.to.failed()) return;
  const dim_list dims = window_dims(s, w, x.dim(0), weights.dim(0), spatial_of(x)),
                 positions(dims.begin() + 2, dims.end());
  const std::int64_t n = x.dim(0), c = x.dim(1), taps = count_of(w.kernel), parts = n * offset_group;
  if (!s.to.failed() && offset.dims() != dim_list{n, offset_group * taps * 2, positions[0], positions[1]})
    s.fail(errc::shape_mismatch, "DeformConv: the offsets do not fit the output");
  if (s.to.failed()) return;
  if (taps * 2 > (std::int64_t{1} << 24) / count_of(positions))
    return s.fail(errc::too_large, "DeformConv: the offsets are too many");
  const var moved = s.to.reshape(offset, {parts, taps, 2, positions[0], positions[1]}) +
                    cast(places(s.to, w, positions), offset.type());
  const var pictures = s.to.reshape(x, {parts, c / offset_group, x.dim(2), x.dim(3)});
  var sampled = s.to.emit(op_kind::nd_grid_sample, {pictures, grid(moved, spatial_of(x))},
                          {static_cast<std::int32_t>(kernels::nd::grid_fn::linear),
                           static_cast<std::int32_t>(kernels::nd::grid_padding::zeros), 0},
                          x.type(), {parts, c / offset_group, taps * positions[0], positions[1]});
  if (s.has(4)) sampled = sampled * s.to.reshape(s.in(4), {parts, 1, taps * positions[0], positions[1]});
  const std::int64_t depth = c / group * taps;
  const var columns = s.to.reshape(sampled, {n, group, depth, positions[0] * positions[1]});
  var y = s.to.reshape(matmul(s.to.reshape(weights, {group, weights.dim(0) / group, depth}), columns), dims);
  if (s.has(3)) y = y + s.to.reshape(s.in(3), {weights.dim(0), 1, 1});
  s.out[0] = y;
}

inline constexpr lowering deform_conv_lowerings[] = {{"", "DeformConv", lower_deform_conv}};

}  // namespace dsmm::inline DSMM_ABI::convert
