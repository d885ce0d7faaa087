// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Transposed convolutions: for every input position one product over the channels gives what each tap adds, in one
/// chain of fused multiply-adds; an output is the sum of its taps in ascending order.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace transpose_impl {

/// `window` seen backwards: its `out` axes are x's, its `in` axes are y's.
struct shape {
  window_shape window;
  std::int64_t batch, groups, in_channels, out_channels;

  explicit shape(const call& c) noexcept {
    const auto spatial = static_cast<std::size_t>(c.attribute(1));
    window = window_of(c, c.out[0], c.in[0], spatial, 5);
    for (std::size_t i = 0; i < spatial; ++i) window.kernel[3 - spatial + i] = c.in[1].dims[2 + i];
    batch = c.in[0].dims[0];
    groups = c.attribute(0);
    in_channels = c.in[0].dims[1] / groups;
    out_channels = c.in[1].dims[1];
  }
  /// Rows of the product: an output channel and a tap.
  std::int64_t rows() const noexcept { return out_channels * window.taps(); }
};

/// Adds one row of the product, a value for every input position, where its tap belongs.
template <class T>
void add_tap(const window_shape& s, std::int64_t tap, const T* from, T* y) noexcept {
  const std::int64_t kw = tap % s.kernel[2], kh = tap / s.kernel[2] % s.kernel[1],
                     kd = tap / (s.kernel[2] * s.kernel[1]);
  const tap_range ds(s, 0, kd), hs(s, 1, kh), ws(s, 2, kw);
  for (std::int64_t d = ds.low; d < ds.high; ++d)
    for (std::int64_t h = hs.low; h < hs.high; ++h) {
      const T* const in = from + (d * s.out[1] + h) * s.out[2];
      T* const out = y +
                     ((d * s.stride[0] + kd * s.dilation[0] - s.pad[0]) * s.in[1] +
                      (h * s.stride[1] + kh * s.dilation[1] - s.pad[1])) *
                         s.in[2] +
                     kw * s.dilation[2] - s.pad[2];
      for (std::int64_t w = ws.low; w < ws.high; ++w) out[w * s.stride[2]] += in[w];
    }
}

inline std::int64_t packed_floats(const call& c, const shape& s) noexcept {
  return s.groups * gemm_packed_rows(gemm_kernel_for(c.level), s.rows(), s.in_channels);
}

inline void pack(const call& c, const shape& s, float* to) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  for (std::int64_t g = 0; g < s.groups; ++g)
    gemm_pack_rows(v, c.in[1].as<const float>() + g * s.in_channels * s.rows(), 1, s.rows(), s.rows(), s.in_channels,
                   to + g * gemm_packed_rows(v, s.rows(), s.in_channels));
}

/// products[row][position] of one batch item and group.
inline void multiply(const call& c, const shape& s, std::int64_t item, float* products) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const std::int64_t positions = s.window.outputs(), group = item % s.groups;
  const float* const weights = reinterpret_cast<const float*>(c.packed != nullptr ? c.packed : c.scratch) +
                               group * gemm_packed_rows(v, s.rows(), s.in_channels);
  const float* const x = c.in[0].as<const float>() + item * s.in_channels * positions;
  for_runs(c.exec, positions, gemm_columns, [&](std::int64_t begin, std::int64_t end) {
    gemm(
        v, weights, 0, s.rows(), begin, end, s.in_channels, products, positions,
        [&](std::int64_t k0, std::int64_t steps, std::int64_t n, std::int64_t count, float* to) -> gemm_panel {
          if (count == v.columns) return {x + k0 * positions + n, positions};
          for (std::int64_t k = 0; k < steps; ++k) {
            copy_floats(to + k * v.columns, x + (k0 + k) * positions + n, count);
            for (std::int64_t j = count; j < v.columns; ++j) to[k * v.columns + j] = 0.0f;
          }
          return {to, v.columns};
        },
        [](std::int64_t, std::int64_t, std::int64_t, std::int64_t, float*, std::ptrdiff_t) {});
  });
}

inline void multiply(const call& c, const shape& s, std::int64_t item, double* products) noexcept {
  const std::int64_t positions = s.window.outputs(), group = item % s.groups;
  const double* const w = c.in[1].as<const double>() + group * s.in_channels * s.rows();
  const double* const x = c.in[0].as<const double>() + item * s.in_channels * positions;
  std::fill_n(products, s.rows() * positions, 0.0);
  for (std::int64_t r = 0; r < s.rows(); ++r)
    for (std::int64_t i = 0; i < s.in_channels; ++i)
      for (std::int64_t p = 0; p < positions; ++p)
        products[r * positions + p] =
            math64::fma(w[i * s.rows() + r], x[i * positions + p], products[r * positions + p]);
}

}  // namespace transpose_impl

inline std::size_t nd_conv_transpose_packed_bytes(const call& c) noexcept {
  if (c.in[0].type != dtype::f32) return 0;
  return static_cast<std::size_t>(transpose_impl::packed_floats(c, transpose_impl::shape(c))) * sizeof(float);
}
inline void nd_conv_transpose_pack(const call& c, std::byte* memory) noexcept {
  transpose_impl::pack(c, transpose_impl::shape(c), reinterpret_cast<float*>(memory));
}
inline std::size_t nd_conv_transpose_scratch(const call& c) noexcept {
  const transpose_impl::shape s(c);
  return (nd_conv_transpose_packed_bytes(c) + 7) / 8 * 8 +
         static_cast<std::size_t>(s.rows() * s.window.outputs()) * size_of(c.in[0].type);
}

/// Attributes: group, spatial rank, activation (3), strides, dilations, pads before, pads after, output padding.
/// Inputs: x (N, C, spatial), w (C, M / group, kernel), bias (M).
inline void nd_conv_transpose(const call& c) noexcept {
  const transpose_impl::shape s(c);
  if (c.out[0].count() == 0) return;
  if (c.packed == nullptr && c.in[0].type == dtype::f32)
    transpose_impl::pack(c, s, reinterpret_cast<float*>(c.scratch));
  const conv_impl::epilogue after(c);
  visit_real(c.in[0].type, [&]<class T>(T) {
    T* const products = reinterpret_cast<T*>(c.scratch + (nd_conv_transpose_packed_bytes(c) + 7) / 8 * 8);
    const std::int64_t taps = s.window.taps(), positions = s.window.outputs(), size = s.window.inputs();
    for (std::int64_t item = 0; item < s.batch * s.groups; ++item) {
      transpose_impl::multiply(c, s, item, products);
      for_runs(c.exec, s.out_channels, row_grain(taps * positions), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t m = begin; m < end; ++m) {
          const std::int64_t plane = item * s.out_channels + m;
          T* const y = c.out[0].as<T>() + plane * size;
          std::fill_n(y, size, T{});
          for (std::int64_t t = 0; t < taps; ++t)
            transpose_impl::add_tap(s.window, t, products + (m * taps + t) * positions, y);
          after.apply(y, plane * size, item % s.groups * s.out_channels + m, size);
        }
      });
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
