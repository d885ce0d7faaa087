// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Resampling axis by axis. Positions and weights are computed in f64; a weighted sum is one chain of fused
/// multiply-adds in ascending position.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace resize_impl {

struct axis_rule {
  std::int64_t in, out;
  double scale;  ///< out / in, as the file says or as the sizes give
  bool exact;    ///< from the sizes
  resize_fn mode;
  resize_coordinates coordinates;
  resize_nearest nearest;
  bool antialias, exclude_outside;
  double cubic, roi_start, roi_end;

  axis_rule(const call& c, std::size_t axis) noexcept
      : in(c.in[0].dims[axis]),
        out(c.out[0].dims[axis]),
        scale(static_cast<double>(c.attribute_f32(7 + axis))),
        exact(scale == 0.0),
        mode(c.choice<resize_fn>(0)),
        coordinates(c.choice<resize_coordinates>(1)),
        nearest(c.choice<resize_nearest>(2)),
        antialias(c.attribute(5) != 0),
        exclude_outside(c.attribute(4) != 0),
        cubic(static_cast<double>(c.attribute_f32(3))),
        roi_start(static_cast<double>(c.attribute_f32(13 + axis))),
        roi_end(static_cast<double>(c.attribute_f32(19 + axis))) {
    if (exact) scale = static_cast<double>(out) / static_cast<double>(in);
  }

  bool identity() const noexcept {
    return in == out && (exact || scale == 1.0) && coordinates != resize_coordinates::tf_crop_and_resize;
  }

  /// x / scale without the rounding of scale where the sizes are known.
  double unscaled(double x) const noexcept {
    if (exact) return x * static_cast<double>(in) / static_cast<double>(out);
    return static_cast<double>(static_cast<float>(x) / static_cast<float>(scale));  // in f32, as ONNX Runtime rounds
  }

  /// The position in x that output j shows.
  double source(std::int64_t j) const noexcept {
    using enum resize_coordinates;
    const auto x = static_cast<double>(j), n = static_cast<double>(in), m = static_cast<double>(out);
    const double length = exact ? m : scale * n;
    switch (coordinates) {
      case half_pixel: return unscaled(x + 0.5) - 0.5;
      case half_pixel_symmetric: return 0.5 * n * (1.0 - m / length) + unscaled(x + 0.5) - 0.5;
      case pytorch_half_pixel: return length > 1.0 ? unscaled(x + 0.5) - 0.5 : -0.5;
      case align_corners: return length == 1.0 ? 0.0 : x * (n - 1.0) / (length - 1.0);
      case asymmetric: return unscaled(x);
      case tf_half_pixel_for_nn: return unscaled(x + 0.5);
      default:
        return out > 1 ? roi_start * (n - 1.0) + x * (roi_end - roi_start) * (n - 1.0) / (m - 1.0)
                       : 0.5 * (roi_start + roi_end) * (n - 1.0);
    }
  }

  double shrink() const noexcept { return antialias && scale < 1.0 ? scale : 1.0; }
  /// Positions before the one at or below the source, the source's own included with the ones after: a window.
  std::int64_t reach() const noexcept {
    if (mode == resize_fn::nearest) return 0;
    return static_cast<std::int64_t>(math64::ceil((mode == resize_fn::linear ? 1.0 : 2.0) / shrink()));
  }
  std::int64_t taps() const noexcept { return mode == resize_fn::nearest ? 1 : 2 * reach(); }

  double kernel(double distance) const noexcept {
    const double t = math64::abs(distance) * shrink();
    if (mode == resize_fn::linear) return t < 1.0 ? 1.0 - t : 0.0;
    if (t <= 1.0) return ((cubic + 2.0) * t - (cubic + 3.0)) * t * t + 1.0;
    return t < 2.0 ? ((cubic * t - 5.0 * cubic) * t + 8.0 * cubic) * t - 4.0 * cubic : 0.0;
  }

  double nearest_of(double x) const noexcept {
    const double low = math64::floor(x), rest = x - low;
    switch (nearest) {
      case resize_nearest::floor: return low;
      case resize_nearest::ceil: return math64::ceil(x);
      case resize_nearest::round_prefer_floor: return rest <= 0.5 ? low : low + 1.0;
      default: return rest < 0.5 ? low : low + 1.0;
    }
  }

  /// Positions and weights of output j.
  template <class T>
  void fill(std::int64_t j, std::int32_t* index, T* weight) const noexcept {
    const double limit = 0x1p24, x = std::clamp(source(j), -limit, 2.0 * limit);
    const std::int64_t last = in - 1, count = taps();
    const auto inside = [last](std::int64_t i) {
      return static_cast<std::int32_t>(std::clamp<std::int64_t>(i, 0, last));
    };
    if (mode == resize_fn::nearest) {
      index[0] = inside(static_cast<std::int64_t>(nearest_of(x)));
      weight[0] = T{1};
      return;
    }
    const double base = math64::floor(x);
    const std::int64_t first = static_cast<std::int64_t>(base) - reach() + 1;
    double sum = 0.0;
    for (std::int64_t t = 0; t < count; ++t) {
      const bool counts = !exclude_outside || (first + t >= 0 && first + t <= last);
      sum += counts ? kernel(static_cast<double>(first + t) - x) : 0.0;
    }
    for (std::int64_t t = 0; t < count; ++t) {
      const bool counts = !exclude_outside || (first + t >= 0 && first + t <= last);
      index[t] = inside(first + t);
      weight[t] = counts && sum != 0.0 ? static_cast<T>(kernel(static_cast<double>(first + t) - x) / sum) : T{0};
    }
  }
};

inline std::size_t aligned(std::size_t bytes) noexcept { return (bytes + 63) / 64 * 64; }

inline std::size_t table_bytes(const axis_rule& rule, dtype type) noexcept {
  const std::size_t entries = static_cast<std::size_t>(rule.out * rule.taps());
  return aligned(entries * sizeof(std::int32_t)) + aligned(entries * size_of(type));
}

/// The last axis, (outer, in) to (outer, out): neighbours come from anywhere, so outputs are gathered one by one.
template <class T>
void last_pass(const call& c, const axis_rule& rule, std::int64_t outer, const std::int32_t* index, const T* weight,
               const T* x, T* y) noexcept {
  const std::int64_t taps = rule.taps(), in = rule.in, size = rule.out;
  const bool nearest = rule.mode == resize_fn::nearest;
  for_runs(c.exec, outer, row_grain(size * taps), [&](std::int64_t begin, std::int64_t end) {
    with_avx2([ x, y, index, weight, taps, nearest, in, size, begin, end ]<class M>(M) __attribute__((always_inline)) {
      const auto add = [](T a, T b, T sum) __attribute__((always_inline)) {
        if constexpr (std::is_same_v<T, float>) return M::fma(a, b, sum);
        else return __builtin_fma(a, b, sum);
      };
      for (std::int64_t r = begin; r < end; ++r) {
        const T* const from = x + r * in;
        T* const out = y + r * size;
        if (nearest) {
          for (std::int64_t j = 0; j < size; ++j) out[j] = from[index[j]];
        } else if (taps == 2) {
          for (std::int64_t j = 0; j < size; ++j)
            out[j] = add(from[index[2 * j + 1]], weight[2 * j + 1], from[index[2 * j]] * weight[2 * j]);
        } else {
          for (std::int64_t j = 0; j < size; ++j) {
            T sum = from[index[j * taps]] * weight[j * taps];
            for (std::int64_t t = 1; t < taps; ++t) sum = add(from[index[j * taps + t]], weight[j * taps + t], sum);
            out[j] = sum;
          }
        }
      }
    });
  });
}

/// One axis: (outer, in, inner) to (outer, out, inner).
template <class T>
void pass(const call& c, const axis_rule& rule, std::int64_t outer, std::int64_t inner, const T* x, T* y,
          std::byte* table) noexcept {
  const std::int64_t taps = rule.taps();
  auto* const index = reinterpret_cast<std::int32_t*>(table);
  T* const weight =
      reinterpret_cast<T*>(table + aligned(static_cast<std::size_t>(rule.out * taps) * sizeof(std::int32_t)));
  for (std::int64_t j = 0; j < rule.out; ++j) rule.fill(j, index + j * taps, weight + j * taps);
  if (inner == 1) return last_pass(c, rule, outer, index, weight, x, y);
  const bool nearest = rule.mode == resize_fn::nearest;
  const std::int64_t in = rule.in, size = rule.out;
  for_runs(c.exec, outer * size, row_grain(inner * taps), [&](std::int64_t begin, std::int64_t end) {
    with_avx2([=]<class M>(M) __attribute__((always_inline)) {
      const auto add = [](T a, T b, T sum) __attribute__((always_inline)) {
        if constexpr (std::is_same_v<T, float>) return M::fma(a, b, sum);
        else return __builtin_fma(a, b, sum);
      };
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t j = r % size;
        const T* const plane = x + r / size * in * inner;
        T* const out = y + r * inner;
        for (std::int64_t t = 0; t < taps; ++t) {
          const T* const from = plane + index[j * taps + t] * inner;
          const T w = weight[j * taps + t];
          if (nearest)
            for (std::int64_t i = 0; i < inner; ++i) out[i] = from[i];
          else if (t == 0)
            for (std::int64_t i = 0; i < inner; ++i) out[i] = from[i] * w;
          else
            for (std::int64_t i = 0; i < inner; ++i) out[i] = add(from[i], w, out[i]);
        }
      }
    });
  });
}

/// f(axis, rule, elements before, elements behind) for every axis that changes, while `dims` follows.
template <class F>
void each_pass(const call& c, F&& f) noexcept {
  view now = c.in[0];
  for (std::size_t axis = 0; axis < c.in[0].rank; ++axis) {
    const axis_rule rule(c, axis);
    if (rule.identity()) continue;
    f(axis, rule, now.count(0, axis), now.count(axis + 1));
    now.dims[axis] = rule.out;
  }
}

}  // namespace resize_impl

/// The largest table and two tensors between the passes.
inline std::size_t nd_resize_scratch(const call& c) noexcept {
  if (c.out[0].count() == 0) return 0;
  std::size_t table = 0, between = 0;
  resize_impl::each_pass(
      c, [&](std::size_t, const resize_impl::axis_rule& rule, std::int64_t outer, std::int64_t inner) {
        table = std::max(table, resize_impl::table_bytes(rule, c.in[0].type));
        between = std::max(
            between, resize_impl::aligned(static_cast<std::size_t>(outer * rule.out * inner) * size_of(c.in[0].type)));
      });
  return table + 2 * between;
}

/// Attributes: mode, coordinates, nearest mode, cubic a, exclude_outside, antialias, extrapolation value, scales,
/// starts and ends of the region. The extrapolation value is for positions outside x with tf_crop_and_resize.
inline void nd_resize(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  if (y.count() == 0) return;
  std::size_t table = 0, between = 0, passes = 0;
  resize_impl::each_pass(
      c, [&](std::size_t, const resize_impl::axis_rule& rule, std::int64_t outer, std::int64_t inner) {
        table = std::max(table, resize_impl::table_bytes(rule, x.type));
        between = std::max(between,
                           resize_impl::aligned(static_cast<std::size_t>(outer * rule.out * inner) * size_of(x.type)));
        ++passes;
      });
  visit_real(x.type, [&]<class T>(T) {
    const T* from = x.as<const T>();
    std::size_t done = 0;
    resize_impl::each_pass(
        c, [&](std::size_t, const resize_impl::axis_rule& rule, std::int64_t outer, std::int64_t inner) {
          ++done;
          T* const to = done == passes ? y.as<T>() : reinterpret_cast<T*>(c.scratch + table + done % 2 * between);
          resize_impl::pass(c, rule, outer, inner, from, to, c.scratch);
          from = to;
        });
    if (passes == 0) std::copy_n(from, y.count(), y.as<T>());
    if (c.choice<resize_coordinates>(1) != resize_coordinates::tf_crop_and_resize) return;
    for (std::size_t axis = 0; axis < x.rank; ++axis) {
      const resize_impl::axis_rule rule(c, axis);
      const std::int64_t outer = y.count(0, axis), inner = y.count(axis + 1);
      for (std::int64_t j = 0; j < rule.out; ++j) {
        const double at = rule.source(j);
        if (at >= 0.0 && at <= static_cast<double>(rule.in - 1)) continue;
        for (std::int64_t o = 0; o < outer; ++o)
          std::fill_n(y.as<T>() + (o * rule.out + j) * inner, inner, static_cast<T>(c.attribute_f32(6)));
      }
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
