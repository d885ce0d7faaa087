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
/// (channel, tap) in ascending order, in which padding counts as 0 (depthwise: not at all).
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
          window_columns(s.window, n, count).write(x, k0, steps, v.columns, to);
          return to;
        },
        [&](std::int64_t m, std::int64_t tile_rows, std::int64_t n, std::int64_t count) {
          for (std::int64_t r = m; r < m + tile_rows; ++r)
            after.apply(y + r * outputs + n, (first + r) * outputs + n, group * s.out_channels + r, count);
        });
  });
}

template <class T>
[[gnu::always_inline]] inline T add_product(T a, T b, T sum) noexcept {
  if constexpr (std::is_same_v<T, float>) return __builtin_fmaf(a, b, sum);
  else return __builtin_fma(a, b, sum);
}

/// One row of outputs and one row of inputs below it: adds the taps of a kernel row in order. In f32 the run of outputs
/// whose taps all lie inside goes through the variant of the instruction set first.
template <class T>
[[gnu::always_inline]] inline void add_row(const window_shape& s, const T* row, const T* w, T* y,
                                           depthwise_impl::run_function fast) noexcept {
  const std::int64_t taps = s.kernel[2], step = s.stride[2], dilation = s.dilation[2], pad = s.pad[2];
  const std::int64_t first = std::min(s.out[2], (pad + step - 1) / step);
  const std::int64_t room = s.in[2] - 1 + pad - (taps - 1) * dilation;
  const std::int64_t inside = room < 0 ? first : std::max(first, std::min(s.out[2], room / step + 1));
  const auto one_by_one = [&](std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
    for (std::int64_t j = begin; j < end; ++j)
      for (std::int64_t k = 0; k < taps; ++k) {
        const std::int64_t at = j * step + k * dilation - pad;
        if (at >= 0 && at < s.in[2]) y[j] = add_product(w[k], row[at], y[j]);
      }
  };
  std::int64_t done = first;
  if constexpr (std::is_same_v<T, float>)
    if (inside > first) done += fast({row + first * step - pad, step, dilation, taps, w, y + first, inside - first});
  one_by_one(0, first);
  one_by_one(done, s.out[2]);
}

/// One plane: adds what one channel of the input gives.
template <class T>
void add_plane(const window_shape& s, const T* x, const T* w, T* y, depthwise_impl::run_function fast) noexcept {
  with_avx2([&s, x, w, y, fast ]() __attribute__((always_inline)) {  // for the outputs at the edges
    for (std::int64_t row = 0; row < s.out[0] * s.out[1]; ++row) {
      const std::int64_t od = row / s.out[1], oh = row % s.out[1];
      for (std::int64_t kd = 0; kd < s.kernel[0]; ++kd) {
        const std::int64_t d = od * s.stride[0] + kd * s.dilation[0] - s.pad[0];
        if (d < 0 || d >= s.in[0]) continue;
        for (std::int64_t kh = 0; kh < s.kernel[1]; ++kh) {
          const std::int64_t h = oh * s.stride[1] + kh * s.dilation[1] - s.pad[1];
          if (h < 0 || h >= s.in[1]) continue;
          add_row(s, x + (d * s.in[1] + h) * s.in[2], w + (kd * s.kernel[1] + kh) * s.kernel[2], y + row * s.out[2],
                  fast);
        }
      }
    }
  });
}

/// Planes one by one, channels ascending: depthwise convolutions, and f64.
template <class T>
void by_plane(const call& c, const conv_shape& s) noexcept {
  const epilogue after(c);
  const std::int64_t outputs = s.window.outputs(), channels = s.groups * s.out_channels;
  for_runs(c.exec, s.batch * channels, row_grain(outputs * s.depth()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t channel = p % channels, group = channel / s.out_channels;
      T* const y = c.out[0].as<T>() + p * outputs;
      std::fill_n(y, outputs, T{});
      for (std::int64_t i = 0; i < s.in_channels; ++i)
        add_plane(s.window,
                  c.in[0].as<const T>() + ((p / channels * s.groups + group) * s.in_channels + i) * s.window.inputs(),
                  c.in[1].as<const T>() + (channel * s.in_channels + i) * s.window.taps(), y,
                  depthwise_run_for(c.level));
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
/// Weights that are no constant are packed at every run.
inline std::size_t nd_conv_scratch(const call& c) noexcept { return nd_conv_packed_bytes(c); }

/// Attributes: group, spatial rank, activation (3), strides, dilations, pads before, pads after.
/// Inputs: x (N, C, spatial), w (M, C / group, kernel), bias (M), residual of y's shape.
inline void nd_conv(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  if (c.out[0].count() == 0) return;
  if (c.in[0].type == dtype::f64) return conv_impl::by_plane<double>(c, s);
  if (s.depthwise()) return conv_impl::by_plane<float>(c, s);
  conv_impl::dense(c, s);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
