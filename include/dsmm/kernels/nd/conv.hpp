// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv_direct.hpp"
#include "dsmm/kernels/nd/conv_epilogue.hpp"
#include "dsmm/kernels/nd/conv_layer.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/depthwise_f32.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// Convolutions over one to three axes: y = act(sum + bias + residual), each sum one chain of fused multiply-adds over
/// (channel, tap) in ascending order, in which padding counts as 0.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace conv_impl {

/// Rows of a task: enough tasks to share out small pictures, few enough that packing columns again stays cheap.
inline std::int64_t task_rows(const conv_shape& s, const gemm_kernel& v) noexcept {
  const std::int64_t width = gemm_columns_of(s.depth());
  const std::int64_t column_tasks = s.batch * s.groups * ((s.window.outputs() + width - 1) / width);
  if (column_tasks >= 8) return s.out_channels;
  const std::int64_t pieces = std::min<std::int64_t>(8 / column_tasks, (s.out_channels + 63) / 64);
  return (s.out_channels / pieces + v.rows) / v.rows * v.rows;
}

/// Floats of all columns of one batch item and group, panel after panel.
inline std::int64_t all_columns(const conv_shape& s, const gemm_kernel& v) noexcept {
  return (s.window.outputs() + v.columns - 1) / v.columns * v.columns * s.depth();
}

/// Where rows are shared out among tasks, columns are written once for all of them.
inline float* write_columns(const call& c, const conv_shape& s, const gemm_kernel& v, float* to) noexcept {
  const std::int64_t outputs = s.window.outputs(), panels = (outputs + v.columns - 1) / v.columns, depth = s.depth();
  for_runs(c.exec, s.batch * s.groups * panels, 1, [&](std::int64_t t, std::int64_t) {
    const std::int64_t item = t / panels, first = t % panels * v.columns;
    window_columns(s.window, first, std::min(v.columns, outputs - first))
        .write(c.in[0].as<const float>() + item * s.in_channels * s.window.inputs(), 0, depth, v.columns,
               to + t * v.columns * depth);
  });
  return to;
}

/// `weights` from nd_conv_pack(), `scratch` as nd_conv_scratch() asks for.
inline void dense(const call& c, const conv_shape& s, const float* weights, float* scratch) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const std::int64_t outputs = s.window.outputs(), depth = s.depth(), width = gemm_columns_of(depth),
                     columns = (outputs + width - 1) / width;
  const std::int64_t rows = task_rows(s, v), row_tasks = (s.out_channels + rows - 1) / rows;
  const std::int64_t packed = gemm_packed_rows(v, s.out_channels, depth);
  const bool in_place = s.window.pointwise();  // rows of x are panels already, all but the last
  const float* const written = row_tasks == 1 || in_place ? nullptr : write_columns(c, s, v, scratch);
  const epilogue after(c);
  const conv_epilogue_kernel ending = conv_epilogue_for(c.level);
  const std::int64_t tasks = s.batch * s.groups * columns * row_tasks;
  for_runs(c.exec, tasks, 1, [&](std::int64_t t, std::int64_t) {
    const std::int64_t row = t % row_tasks * rows, column = t / row_tasks % columns * width;
    const std::int64_t group = t / (row_tasks * columns) % s.groups, batch = t / (row_tasks * columns * s.groups);
    const float* const x = c.in[0].as<const float>() + (batch * s.groups + group) * s.in_channels * s.window.inputs();
    const std::int64_t first = (batch * s.groups + group) * s.out_channels;
    float* const y = c.out[0].as<float>() + first * outputs;
    gemm(
        v, weights + group * packed, row, std::min(row + rows, s.out_channels), column,
        std::min(column + width, outputs), depth, y, outputs,
        [&](std::int64_t k0, std::int64_t steps, std::int64_t n, std::int64_t count, float* to) -> gemm_panel {
          if (in_place && count == v.columns) return {x + k0 * outputs + n, outputs};
          if (written != nullptr)
            return {written + (batch * s.groups + group) * all_columns(s, v) + n * depth + k0 * v.columns, v.columns};
          window_columns(s.window, n, count).write(x, k0, steps, v.columns, to);
          return {to, v.columns};
        },
        [&](std::int64_t m, std::int64_t tile_rows, std::int64_t n, std::int64_t count, float*, std::ptrdiff_t) {
          const std::int64_t at = (first + m) * outputs + n;
          ending.rows(after, c.out[0].as<float>() + at, outputs, tile_rows, at, group * s.out_channels + m, count);
        });
  });
}

inline void depthwise(const call& c, const conv_shape& s) noexcept {
  const epilogue after(c);
  const std::int64_t outputs = s.window.outputs(), channels = s.groups * s.out_channels;
  const depthwise_kernel v = depthwise_kernel_for(c.level);
  const depthwise_impl::plane_function whole = v.plane_for(s.window);
  for_runs(c.exec, s.batch * channels, row_grain(outputs * s.depth()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t channel = p % channels, plane = p / channels * s.groups + channel / s.out_channels;
      float* const y = c.out[0].as<float>() + p * outputs;
      const float* const x = c.in[0].as<const float>() + plane * s.window.inputs();
      const float* const w = c.in[1].as<const float>() + channel * s.window.taps();
      if (whole != nullptr) {
        whole(s.window, x, w, after, y, p * outputs, channel);
        continue;
      }
      depthwise_plane(s.window, x, w, y, v.outputs);
      after.apply(y, p * outputs, channel, outputs);
    }
  });
}

/// f64, output by output.
inline void wide(const call& c, const conv_shape& s) noexcept {
  const epilogue after(c);
  const window_shape& g = s.window;
  const std::int64_t outputs = g.outputs(), channels = s.groups * s.out_channels, taps = g.taps();
  for_runs(c.exec, s.batch * channels, row_grain(outputs * s.depth()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t channel = p % channels;
      const double* const x = c.in[0].as<const double>() +
                              (p / channels * s.groups + channel / s.out_channels) * s.in_channels * g.inputs();
      const double* const w = c.in[1].as<const double>() + channel * s.depth();
      double* const y = c.out[0].as<double>() + p * outputs;
      for (std::int64_t o = 0; o < outputs; ++o) {
        const std::int64_t ow = o % g.out[2], oh = o / g.out[2] % g.out[1], od = o / (g.out[2] * g.out[1]);
        double sum = 0.0;
        for (std::int64_t k = 0; k < s.depth(); ++k) {
          const std::int64_t tap = k % taps, column = ow * g.stride[2] + tap % g.kernel[2] * g.dilation[2] - g.pad[2];
          const std::int64_t row = oh * g.stride[1] + tap / g.kernel[2] % g.kernel[1] * g.dilation[1] - g.pad[1];
          const std::int64_t d = od * g.stride[0] + tap / (g.kernel[2] * g.kernel[1]) * g.dilation[0] - g.pad[0];
          const bool inside = column >= 0 && row >= 0 && d >= 0 && column < g.in[2] && row < g.in[1] && d < g.in[0];
          const double v = inside ? x[((k / taps * g.in[0] + d) * g.in[1] + row) * g.in[2] + column] : 0.0;
          sum = math64::fma(w[k], v, sum);
        }
        y[o] = sum;
      }
      after.apply(y, p * outputs, channel, outputs);
    }
  });
}

}  // namespace conv_impl

inline std::size_t nd_conv_packed_bytes(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  const direct_kernel& d = direct_kernel_for(c.level);
  if (c.in[0].type != dtype::f32 || s.depthwise()) return 0;
  const std::int64_t group = conv_impl::is_direct(d, s)
                                 ? conv_impl::direct_packed(d, s)
                                 : gemm_packed_rows(gemm_kernel_for(c.level), s.out_channels, s.depth());
  return static_cast<std::size_t>(s.groups * group) * sizeof(float);
}
inline void nd_conv_pack(const call& c, std::byte* memory) noexcept {
  const conv_impl::conv_shape s(c);
  const direct_kernel& d = direct_kernel_for(c.level);
  const float* const w = c.in[1].as<const float>();
  std::fill_n(memory, nd_conv_packed_bytes(c), std::byte{});  // channels that are missing in the last panel
  if (conv_impl::is_direct(d, s)) return conv_impl::direct_pack(d, s, w, reinterpret_cast<float*>(memory));
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const std::int64_t packed = gemm_packed_rows(v, s.out_channels, s.depth());
  for (std::int64_t g = 0; g < s.groups; ++g)
    gemm_pack_rows(v, w + g * s.out_channels * s.depth(), s.depth(), 1, s.out_channels, s.depth(),
                   reinterpret_cast<float*>(memory) + g * packed);
}
/// Weights that are no constant are packed at every run; behind them lie padded pictures, or the columns of small ones.
inline std::size_t nd_conv_scratch(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  if (c.out[0].count() == 0 || c.in[0].type != dtype::f32) return 0;
  if (s.depthwise()) return 0;
  const gemm_kernel& v = gemm_kernel_for(c.level);
  std::int64_t floats = 0;
  if (conv_impl::is_direct(direct_kernel_for(c.level), s)) floats = conv_impl::direct_scratch(s);
  else if (!s.window.pointwise() && conv_impl::task_rows(s, v) < s.out_channels)
    floats = s.batch * s.groups * conv_impl::all_columns(s, v);
  return (c.packed == nullptr ? nd_conv_packed_bytes(c) : 0) + static_cast<std::size_t>(floats) * sizeof(float);
}

/// Attributes: group, spatial rank, activation (3), strides, dilations, pads before, pads after.
/// Inputs: x (N, C, spatial), w (M, C / group, kernel), bias (M), residual of y's shape.
inline void nd_conv(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  if (c.out[0].count() == 0) return;
  if (c.in[0].type == dtype::f64) return conv_impl::wide(c, s);
  if (s.depthwise()) return conv_impl::depthwise(c, s);
  const std::byte* weights = c.packed;
  std::byte* rest = c.scratch;
  if (weights == nullptr) {
    nd_conv_pack(c, c.scratch);
    weights = c.scratch;
    rest += nd_conv_packed_bytes(c);
  }
  float* const scratch = reinterpret_cast<float*>(rest);
  if (conv_impl::is_direct(direct_kernel_for(c.level), s))
    return conv_impl::direct(c, s, reinterpret_cast<const float*>(weights), scratch);
  conv_impl::dense(c, s, reinterpret_cast<const float*>(weights), scratch);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
