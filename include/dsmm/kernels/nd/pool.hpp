// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Pools over one to three axes, plane by plane; every output takes its taps in ascending order.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace pool_impl {

/// step(y, x) for every tap of every output, a row of outputs at a time.
template <class T, class Step>
[[gnu::always_inline]] inline void each_tap_of_plane(const window_shape& s, const T* x, T* y,
                                                     const Step& step) noexcept {
  for (std::int64_t od = 0; od < s.out[0]; ++od)
    for (std::int64_t oh = 0; oh < s.out[1]; ++oh) {
      T* const out = y + (od * s.out[1] + oh) * s.out[2];
      for (std::int64_t kd = 0; kd < s.kernel[0]; ++kd) {
        const std::int64_t d = od * s.stride[0] + kd * s.dilation[0] - s.pad[0];
        if (d < 0 || d >= s.in[0]) continue;
        for (std::int64_t kh = 0; kh < s.kernel[1]; ++kh) {
          const std::int64_t h = oh * s.stride[1] + kh * s.dilation[1] - s.pad[1];
          if (h < 0 || h >= s.in[1]) continue;
          for (std::int64_t kw = 0; kw < s.kernel[2]; ++kw) {
            const tap_range range(s, 2, kw);
            const T* const from = x + (d * s.in[1] + h) * s.in[2] + kw * s.dilation[2] - s.pad[2];
            const std::int64_t by = s.stride[2], low = range.low, high = range.high;
            if (by == 1)
              for (std::int64_t j = low; j < high; ++j) out[j] = step(out[j], from[j]);
            else
              for (std::int64_t j = low; j < high; ++j) out[j] = step(out[j], from[j * by]);
          }
        }
      }
    }
}

template <class T, class Step>
void each_tap(const window_shape& s, const T* x, T* y, const Step& step) noexcept {
  if constexpr (std::is_same_v<T, float>)
    with_avx2([&s, x, y, step ]() __attribute__((always_inline)) { each_tap_of_plane(s, x, y, step); });
  else each_tap_of_plane(s, x, y, step);
}

/// Taps that count towards a mean: inside the image, or inside image and padding.
inline std::int64_t taps_at(const window_shape& s, std::size_t axis, std::int64_t out, std::int64_t pad_after,
                            bool with_padding) noexcept {
  std::int64_t n = 0;
  for (std::int64_t k = 0; k < s.kernel[axis]; ++k) {
    const std::int64_t at = out * s.stride[axis] + k * s.dilation[axis] - s.pad[axis];
    if (with_padding ? at < s.in[axis] + pad_after : at >= 0 && at < s.in[axis]) ++n;
  }
  return n;
}

template <class T>
void average(const call& c, const window_shape& s, std::size_t spatial, const T* x, T* y) noexcept {
  each_tap(
      s, x, y, [](T sum, T v) __attribute__((always_inline)) { return sum + v; });
  const bool with_padding = c.attribute(3) != 0;
  triple after{0, 0, 0};
  for (std::size_t i = 0; i < spatial; ++i) after[3 - spatial + i] = c.attribute(18 + i);
  for (std::int64_t od = 0; od < s.out[0]; ++od)
    for (std::int64_t oh = 0; oh < s.out[1]; ++oh) {
      const std::int64_t outer = taps_at(s, 0, od, after[0], with_padding) * taps_at(s, 1, oh, after[1], with_padding);
      T* const out = y + (od * s.out[1] + oh) * s.out[2];
      for (std::int64_t ow = 0; ow < s.out[2]; ++ow)
        out[ow] /= static_cast<T>(outer * taps_at(s, 2, ow, after[2], with_padding));
    }
}

template <class T>
void lp(const call& c, const window_shape& s, const T* x, T* y) noexcept {
  const std::int32_t p = c.attribute(2);
  each_tap(
      s, x, y, [p](T sum, T v) __attribute__((always_inline)) {
        const T a = v < T{0} ? -v : v;
        T power = a;
        for (std::int32_t i = 1; i < p; ++i) power *= a;
        return sum + power;
      });
  for (std::int64_t i = 0; i < s.outputs() && p != 1; ++i)
    y[i] = p == 2 ? static_cast<T>(__builtin_sqrt(static_cast<double>(y[i])))
                  : static_cast<T>(math64::pow(static_cast<double>(y[i]), 1.0 / p));
}

/// Where the largest of each window lies in the whole of x; the first of equals, in rows or in columns.
template <class T>
void positions(const window_shape& s, const T* x, std::int64_t base, bool column_major, const T* y,
               std::int64_t* index) noexcept {
  for (std::int64_t o = 0; o < s.outputs(); ++o) {
    const std::int64_t ow = o % s.out[2], oh = o / s.out[2] % s.out[1], od = o / (s.out[2] * s.out[1]);
    std::int64_t found = -1;
    for (std::int64_t k = 0; k < s.taps() && found < 0; ++k) {
      const std::int64_t w = ow * s.stride[2] + k % s.kernel[2] * s.dilation[2] - s.pad[2];
      const std::int64_t h = oh * s.stride[1] + k / s.kernel[2] % s.kernel[1] * s.dilation[1] - s.pad[1];
      const std::int64_t d = od * s.stride[0] + k / (s.kernel[2] * s.kernel[1]) * s.dilation[0] - s.pad[0];
      if (w < 0 || h < 0 || d < 0 || w >= s.in[2] || h >= s.in[1] || d >= s.in[0]) continue;
      const T v = x[(d * s.in[1] + h) * s.in[2] + w];
      if (v == y[o] || v != v) found = column_major ? (w * s.in[1] + h) * s.in[0] + d : (d * s.in[1] + h) * s.in[2] + w;
    }
    index[o] = base + (found < 0 ? 0 : found);
  }
}

}  // namespace pool_impl

/// Attributes: function, spatial rank, p, count_include_pad, ceil_mode, column_major, kernel, strides, dilations, pads
/// before, pads after. Outputs: y, and for a maximum where it is.
inline void nd_pool(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const auto f = c.choice<pool_fn>(0);
  const auto spatial = static_cast<std::size_t>(c.attribute(1));
  window_shape s = window_of(c, x, y, spatial, 9);
  for (std::size_t i = 0; i < spatial; ++i) s.kernel[3 - spatial + i] = c.attribute(6 + i);
  const std::int64_t planes = x.dims[0] * x.dims[1];
  visit_numeric(x.type, [&]<class T>(T) {
    for_runs(c.exec, planes, row_grain(s.outputs() * s.taps()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const T* const from = x.as<const T>() + p * s.inputs();
        T* const to = y.as<T>() + p * s.outputs();
        if (f == pool_fn::max) {
          std::fill_n(
              to, s.outputs(),
              std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest());
          pool_impl::each_tap(
              s, from, to,
              [](T best, T v) __attribute__((always_inline)) { return best >= v || best != best ? best : v; });
          if (c.outputs > 1)
            pool_impl::positions(s, from, p * s.inputs(), c.attribute(5) != 0, to,
                                 c.out[1].as<std::int64_t>() + p * s.outputs());
          continue;
        }
        if constexpr (std::is_floating_point_v<T>) {
          std::fill_n(to, s.outputs(), T{});
          if (f == pool_fn::average) pool_impl::average(c, s, spatial, from, to);
          else pool_impl::lp(c, s, from, to);
        }
      }
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
