// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/depthwise_f32.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Convolutions over one to three axes: y = act(sum + bias + residual), each sum one chain of fused multiply-adds over
/// (channel, tap) in ascending order, in which padding counts as 0.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace conv_impl {

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

/// What follows the sums. Planes are (batch * channels) x outputs.
struct epilogue {
  const std::byte* bias = nullptr;
  const std::byte* residual = nullptr;
  unary_fn act = unary_fn::identity;
  float alpha = 0.0f, beta = 0.0f;

  explicit epilogue(const call& c) noexcept
      : bias(c.in[2].data),
        residual(c.in[3].data),
        act(c.choice<unary_fn>(2)),
        alpha(c.attribute_f32(3)),
        beta(c.attribute_f32(4)) {}

  /// y[0 .. n) of a plane; `offset` says where in y it lies.
  template <class T>
  void apply(T* y, std::int64_t offset, std::int64_t channel, std::int64_t n) const noexcept {
    const T add = bias != nullptr ? reinterpret_cast<const T*>(bias)[channel] : T{};
    const T* const other = residual != nullptr ? reinterpret_cast<const T*>(residual) + offset : nullptr;
    const bool relu = act == unary_fn::relu;
    if (bias != nullptr || other != nullptr || relu) {
      with_avx2([ y, n, add, other, relu ]() __attribute__((always_inline)) {
        if (other != nullptr && relu)
          for (std::int64_t i = 0; i < n; ++i) {
            const T v = y[i] + add + other[i];
            y[i] = v <= T{} ? T{} : v;
          }
        else if (other != nullptr)
          for (std::int64_t i = 0; i < n; ++i) y[i] = y[i] + add + other[i];
        else if (relu)
          for (std::int64_t i = 0; i < n; ++i) {
            const T v = y[i] + add;
            y[i] = v <= T{} ? T{} : v;
          }
        else
          for (std::int64_t i = 0; i < n; ++i) y[i] += add;
      });
    }
    if (!relu && act != unary_fn::identity) unary_real(act, alpha, beta, y, y, static_cast<std::size_t>(n));
  }
};

/// Rows of a task: enough tasks to share out small pictures, few enough that packing columns again stays cheap.
inline std::int64_t task_rows(const conv_shape& s, const gemm_kernel& v) noexcept {
  const std::int64_t column_tasks = s.batch * s.groups * ((s.window.outputs() + gemm_columns - 1) / gemm_columns);
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

inline void dense(const call& c, const conv_shape& s) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const std::int64_t outputs = s.window.outputs(), depth = s.depth(),
                     columns = (outputs + gemm_columns - 1) / gemm_columns;
  const std::int64_t rows = task_rows(s, v), row_tasks = (s.out_channels + rows - 1) / rows;
  const std::int64_t packed = gemm_packed_rows(v, s.out_channels, depth);
  const float* weights = reinterpret_cast<const float*>(c.packed);
  if (weights == nullptr) {
    float* const to = reinterpret_cast<float*>(c.scratch);
    for (std::int64_t g = 0; g < s.groups; ++g)
      gemm_pack_rows(v, c.in[1].as<const float>() + g * s.out_channels * depth, depth, 1, s.out_channels, depth,
                     to + g * packed);
    weights = to;
  }
  const float* const written =
      row_tasks == 1
          ? nullptr
          : write_columns(c, s, v, reinterpret_cast<float*>(c.scratch) + (c.packed == nullptr ? s.groups * packed : 0));
  const epilogue after(c);
  const std::int64_t tasks = s.batch * s.groups * columns * row_tasks;
  for_runs(c.exec, tasks, 1, [&](std::int64_t t, std::int64_t) {
    const std::int64_t row = t % row_tasks * rows, column = t / row_tasks % columns * gemm_columns;
    const std::int64_t group = t / (row_tasks * columns) % s.groups, batch = t / (row_tasks * columns * s.groups);
    const float* const x = c.in[0].as<const float>() + (batch * s.groups + group) * s.in_channels * s.window.inputs();
    const std::int64_t first = (batch * s.groups + group) * s.out_channels;
    float* const y = c.out[0].as<float>() + first * outputs;
    gemm(
        v, weights + group * packed, row, std::min(row + rows, s.out_channels), column,
        std::min(column + gemm_columns, outputs), depth, y, outputs,
        [&](std::int64_t k0, std::int64_t steps, std::int64_t n, std::int64_t count, float* to) -> const float* {
          if (written != nullptr)
            return written + (batch * s.groups + group) * all_columns(s, v) + n * depth + k0 * v.columns;
          window_columns(s.window, n, count).write(x, k0, steps, v.columns, to);
          return to;
        },
        [&](std::int64_t m, std::int64_t tile_rows, std::int64_t n, std::int64_t count) {
          for (std::int64_t r = m; r < m + tile_rows; ++r)
            after.apply(y + r * outputs + n, (first + r) * outputs + n, group * s.out_channels + r, count);
        });
  });
}

inline void depthwise(const call& c, const conv_shape& s) noexcept {
  const epilogue after(c);
  const std::int64_t outputs = s.window.outputs(), channels = s.groups * s.out_channels;
  const depthwise_impl::run_function run = depthwise_run_for(c.level);
  for_runs(c.exec, s.batch * channels, row_grain(outputs * s.depth()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t channel = p % channels, plane = p / channels * s.groups + channel / s.out_channels;
      float* const y = c.out[0].as<float>() + p * outputs;
      depthwise_plane(s.window, c.in[0].as<const float>() + plane * s.window.inputs(),
                      c.in[1].as<const float>() + channel * s.window.taps(), y, run);
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
  if (c.in[0].type != dtype::f32 || s.depthwise()) return 0;
  return static_cast<std::size_t>(s.groups * gemm_packed_rows(gemm_kernel_for(c.level), s.out_channels, s.depth())) *
         sizeof(float);
}
inline void nd_conv_pack(const call& c, std::byte* memory) noexcept {
  const conv_impl::conv_shape s(c);
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const std::int64_t packed = gemm_packed_rows(v, s.out_channels, s.depth());
  for (std::int64_t g = 0; g < s.groups; ++g)
    gemm_pack_rows(v, c.in[1].as<const float>() + g * s.out_channels * s.depth(), s.depth(), 1, s.out_channels,
                   s.depth(), reinterpret_cast<float*>(memory) + g * packed);
}
/// Weights that are no constant are packed at every run; small pictures keep their columns.
inline std::size_t nd_conv_scratch(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  const gemm_kernel& v = gemm_kernel_for(c.level);
  if (c.out[0].count() == 0 || c.in[0].type != dtype::f32) return 0;
  if (s.depthwise()) return 0;
  const bool shared = conv_impl::task_rows(s, v) < s.out_channels;
  return (c.packed == nullptr ? nd_conv_packed_bytes(c) : 0) +
         (shared ? static_cast<std::size_t>(s.batch * s.groups * conv_impl::all_columns(s, v)) * sizeof(float) : 0);
}

/// Attributes: group, spatial rank, activation (3), strides, dilations, pads before, pads after.
/// Inputs: x (N, C, spatial), w (M, C / group, kernel), bias (M), residual of y's shape.
inline void nd_conv(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  if (c.out[0].count() == 0) return;
  if (c.in[0].type == dtype::f64) return conv_impl::wide(c, s);
  if (s.depthwise()) return conv_impl::depthwise(c, s);
  conv_impl::dense(c, s);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
