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
#include "dsmm/kernels/nd/max_pool_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Pools over one to three axes, plane by plane: first down the columns of each window, then across them.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace pool_impl {

inline constexpr std::int64_t column_count = 1024;

/// y[i] = f(y[i], x[i * Stride]) for whole blocks of constant length, from i on; returns where it stopped. The block
/// goes through registers, so that nothing can alias.
template <std::int64_t Block, std::int64_t Stride, class T, class F>
[[gnu::always_inline]] inline std::int64_t fold_blocks(T* y, const T* x, std::int64_t i, std::int64_t n,
                                                       const F& f) noexcept {
  for (; i + Block <= n; i += Block) {
    T held[Block];
    for (std::int64_t k = 0; k < Block; ++k) held[k] = f(y[i + k], x[(i + k) * Stride]);
    for (std::int64_t k = 0; k < Block; ++k) y[i + k] = held[k];
  }
  return i;
}

/// As above for all of n; Stride 0: any stride.
template <std::int64_t Stride, class T, class F>
[[gnu::always_inline]] inline void fold_row(T* y, const T* x, std::int64_t n, const F& f,
                                            std::int64_t stride = Stride) noexcept {
  std::int64_t i = 0;
  if constexpr (Stride != 0) {
    i = fold_blocks<16, Stride>(y, x, i, n, f);
    i = fold_blocks<8, Stride>(y, x, i, n, f);
  }
  for (; i < n; ++i) y[i] = f(y[i], x[i * stride]);
}

/// columns[i] = take(...) over the window's rows at input columns [from, from + n); `none` outside the picture.
template <class T, class Take>
[[gnu::always_inline]] inline void reduce_columns(const window_shape& s, const T* x, std::int64_t od, std::int64_t oh,
                                                  std::int64_t from, std::int64_t n, T none, T* columns,
                                                  const Take& take) noexcept {
  std::fill_n(columns, n, none);
  const std::int64_t low = std::max<std::int64_t>(from, 0), count = std::min(from + n, s.in[2]) - low;
  T* const to = columns + (low - from);
  for (std::int64_t kd = 0; kd < s.kernel[0]; ++kd) {
    const std::int64_t d = od * s.stride[0] + kd * s.dilation[0] - s.pad[0];
    if (d < 0 || d >= s.in[0]) continue;
    for (std::int64_t kh = 0; kh < s.kernel[1]; ++kh) {
      const std::int64_t h = oh * s.stride[1] + kh * s.dilation[1] - s.pad[1];
      if (h < 0 || h >= s.in[1]) continue;
      const T* const row = x + (d * s.in[1] + h) * s.in[2] + low;
      fold_row<1>(to, row, count, take);
    }
  }
}

template <std::int64_t Stride, class T, class Join>
[[gnu::always_inline]] inline void join_columns(const window_shape& s, std::int64_t n, const T* columns, T* y,
                                                const Join& join) noexcept {
  const auto first = [](T, T v) __attribute__((always_inline)) { return v; };
  fold_row<Stride>(y, columns, n, first, s.stride[2]);
  for (std::int64_t kw = 1; kw < s.kernel[2]; ++kw)
    fold_row<Stride>(y, columns + kw * s.dilation[2], n, join, s.stride[2]);
}

/// y = join over the window's columns of take over each column's rows, both in ascending order.
template <class T, class Take, class Join>
[[gnu::always_inline]] inline void reduce_plane(const window_shape& s, const T* x, T* y, T none, const Take& take,
                                                const Join& join) noexcept {
  T columns[column_count];
  const std::int64_t reach = (s.kernel[2] - 1) * s.dilation[2];
  const std::int64_t at_once = reach < column_count ? (column_count - 1 - reach) / s.stride[2] + 1 : 0;
  for (std::int64_t od = 0; od < s.out[0]; ++od)
    for (std::int64_t oh = 0; oh < s.out[1]; ++oh) {
      T* const out = y + (od * s.out[1] + oh) * s.out[2];
      for (std::int64_t j = 0, n = 1; j < s.out[2]; j += n) {
        const std::int64_t from = j * s.stride[2] - s.pad[2];
        if (at_once == 0) {  // a window wider than the buffer: column by column
          for (std::int64_t kw = 0; kw < s.kernel[2]; ++kw) {
            reduce_columns(s, x, od, oh, from + kw * s.dilation[2], 1, none, columns, take);
            out[j] = kw == 0 ? columns[0] : join(out[j], columns[0]);
          }
          continue;
        }
        n = std::min(at_once, s.out[2] - j);
        reduce_columns(s, x, od, oh, from, (n - 1) * s.stride[2] + reach + 1, none, columns, take);
        if (s.stride[2] == 1) join_columns<1>(s, n, columns, out + j, join);
        else if (s.stride[2] == 2) join_columns<2>(s, n, columns, out + j, join);
        else join_columns<0>(s, n, columns, out + j, join);
      }
    }
}

template <class T, class Take, class Join>
void reduce_windows(const window_shape& s, const T* x, T* y, T none, const Take& take, const Join& join) noexcept {
  if constexpr (std::is_same_v<T, float>)
    with_avx2([&s, x, y, none, take, join ]()
                  __attribute__((always_inline)) { reduce_plane(s, x, y, none, take, join); });
  else reduce_plane(s, x, y, none, take, join);
}

/// The larger; NaN if there is one.
struct larger {
  template <class T>
  [[gnu::always_inline]] T operator()(T best, T v) const noexcept {
    return ((best >= v) | (best != best)) ? best : v;  // no branch: vectorised
  }
};
struct sum_of {
  template <class T>
  [[gnu::always_inline]] T operator()(T a, T b) const noexcept {
    return static_cast<T>(a + b);
  }
};

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
  reduce_windows(s, x, y, T{}, sum_of{}, sum_of{});
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
  const auto add_power = [p](T sum, T v) __attribute__((always_inline)) {
    const T a = v < T{0} ? -v : v;
    T power = a;
    for (std::int32_t i = 1; i < p; ++i) power *= a;
    return sum + power;
  };
  reduce_windows(s, x, y, T{}, add_power, sum_of{});
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
  const max_pool_impl::plane_function whole = max_pool_plane_for(c.level, s);
  visit_numeric(x.type, [&]<class T>(T) {
    for_runs(c.exec, planes, row_grain(s.outputs() * s.taps()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const T* const from = x.as<const T>() + p * s.inputs();
        T* const to = y.as<T>() + p * s.outputs();
        if (f == pool_fn::max) {
          constexpr T lowest =
              std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
          bool done = false;
          if constexpr (std::is_same_v<T, float>)
            if (whole != nullptr) whole(s, from, to), done = true;
          if (!done) pool_impl::reduce_windows(s, from, to, lowest, pool_impl::larger{}, pool_impl::larger{});
          if (c.outputs > 1)
            pool_impl::positions(s, from, p * s.inputs(), c.attribute(5) != 0, to,
                                 c.out[1].as<std::int64_t>() + p * s.outputs());
          continue;
        }
        if constexpr (std::is_floating_point_v<T>) {
          if (f == pool_fn::average) pool_impl::average(c, s, spatial, from, to);
          else pool_impl::lp(c, s, from, to);
        }
      }
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
