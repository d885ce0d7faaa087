// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/reduce.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Softmax and its relatives along one axis. Along the last axis each row is summed in 64 lanes; along another axis the
/// elements behind it are the lanes, and each adds its own in order.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace softmax_impl {

template <class T>
void contiguous(softmax_fn f, const T* x, T* y, std::size_t n) noexcept {
  const T m = reduce_impl::largest(x, n);
  if (f == softmax_fn::hardmax) {
    std::size_t best = 0;
    while (best + 1 < n && !(x[best] == m)) ++best;
    for (std::size_t i = 0; i < n; ++i) y[i] = i == best ? T{1} : T{0};
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    with_avx2([ x, y, n, m ]() __attribute__((always_inline)) {
      for (std::size_t i = 0; i < n; ++i) y[i] = x[i] - m;
    });
    unary_f32(unary_fn::exp, 0.0f, 0.0f, y, y, n);
  } else {
    for (std::size_t i = 0; i < n; ++i) y[i] = reduce_impl::exp_of(x[i] - m);
  }
  const T sum = reduce_impl::sum_row(y, n);
  if (f == softmax_fn::softmax) {
    with_avx2([ y, n, sum ]() __attribute__((always_inline)) {
      for (std::size_t i = 0; i < n; ++i) y[i] = y[i] / sum;
    });
  } else {
    const T shift = reduce_impl::log_of(sum);
    for (std::size_t i = 0; i < n; ++i) y[i] = (x[i] - m) - shift;
  }
}

/// Many rows of a few elements: an element of 32 rows at a time, with the sums in the order that 64 lanes have.
struct short_rows {
  static constexpr std::size_t longest = 16, rows = 32;
  float e[longest][rows], sum[longest][rows], most[rows];

  /// Rows [0, count) of n elements each; softmax and log_softmax.
  void run(softmax_fn f, const float* x, float* y, std::size_t n, std::size_t count) noexcept {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t r = 0; r < rows; ++r) e[i][r] = r < count ? x[r * n + i] : 0.0f;
    with_avx2([ this, f, n ]<class M>(M) __attribute__((always_inline)) {
      for (std::size_t r = 0; r < rows; ++r) {
        float m = -math_impl::infinity, odd = 0.0f;
        for (std::size_t i = 0; i < n; ++i) {
          m = choose(e[i][r] > m, e[i][r], m);
          odd = choose(e[i][r] != e[i][r], 1.0f, odd);
        }
        most[r] = choose(odd != 0.0f, quiet_nan, m + 0.0f);
      }
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t r = 0; r < rows; ++r) {
          e[i][r] -= most[r];
          sum[i][r] = kernels::exp<M>(e[i][r]);
          if (f == softmax_fn::softmax) e[i][r] = sum[i][r];
        }
      for (std::size_t width = 8; width != 0; width /= 2)
        for (std::size_t l = 0; l < width && l + width < n; ++l)
          for (std::size_t r = 0; r < rows; ++r) sum[l][r] += sum[l + width][r];
      for (std::size_t r = 0; r < rows; ++r) {
        const float total = canonical(sum[0][r]);
        sum[0][r] = f == softmax_fn::softmax ? total : kernels::log<M>(total);
      }
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t r = 0; r < rows; ++r)
          e[i][r] = f == softmax_fn::softmax ? e[i][r] / sum[0][r] : e[i][r] - sum[0][r];
    });
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t i = 0; i < n; ++i) y[r * n + i] = e[i][r];
  }
};

/// Up to 64 neighbours at once, `count` of them, each along an axis of n elements that lie `step` apart.
template <class T>
void strided(softmax_fn f, const T* x, T* y, std::size_t n, std::int64_t step, std::size_t count) noexcept {
  T m[64], sum[64];
  for (std::size_t l = 0; l < count; ++l) m[l] = x[l], sum[l] = T{0};
  with_avx2([ x, n, step, count, &m ]() __attribute__((always_inline)) {
    for (std::size_t i = 1; i < n; ++i) {
      const T* const row = x + static_cast<std::int64_t>(i) * step;
      for (std::size_t l = 0; l < count; ++l) m[l] = row[l] > m[l] || row[l] != row[l] ? row[l] : m[l];
    }
  });
  if (f == softmax_fn::hardmax) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t l = 0; l < count; ++l) {
        const std::int64_t at = static_cast<std::int64_t>(i) * step + static_cast<std::int64_t>(l);
        const bool best = sum[l] == T{0} && x[at] == m[l];
        y[at] = best ? T{1} : T{0};
        if (best) sum[l] = T{1};
      }
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    const T* const row = x + static_cast<std::int64_t>(i) * step;
    T* const out = y + static_cast<std::int64_t>(i) * step;
    with_avx2([ row, out, &m, count ]() __attribute__((always_inline)) {
      for (std::size_t l = 0; l < count; ++l) out[l] = row[l] - m[l];
    });
    if constexpr (std::is_same_v<T, float>) unary_f32(unary_fn::exp, 0.0f, 0.0f, out, out, count);
    else
      for (std::size_t l = 0; l < count; ++l) out[l] = reduce_impl::exp_of(out[l]);
    with_avx2([ out, &sum, count ]() __attribute__((always_inline)) {
      for (std::size_t l = 0; l < count; ++l) sum[l] += out[l];
    });
  }
  if (f == softmax_fn::log_softmax)
    for (std::size_t l = 0; l < count; ++l) sum[l] = reduce_impl::log_of(sum[l]);
  for (std::size_t i = 0; i < n; ++i) {
    const T* const row = x + static_cast<std::int64_t>(i) * step;
    T* const out = y + static_cast<std::int64_t>(i) * step;
    with_avx2([ row, out, &m, &sum, count, f ]() __attribute__((always_inline)) {
      if (f == softmax_fn::softmax)
        for (std::size_t l = 0; l < count; ++l) out[l] = out[l] / sum[l];
      else
        for (std::size_t l = 0; l < count; ++l) out[l] = (row[l] - m[l]) - sum[l];
    });
  }
}

}  // namespace softmax_impl

/// Attributes: function, axis.
inline void nd_softmax(const call& c) noexcept {
  const auto f = c.choice<softmax_fn>(0);
  const auto axis = static_cast<std::size_t>(c.attribute(1));
  const view &x = c.in[0], &y = c.out[0];
  const std::int64_t n = x.dims[axis], inner = x.count(axis + 1), outer = x.count(0, axis);
  if (x.count() == 0) return;
  if (x.type == dtype::f32 && inner == 1 && n <= static_cast<std::int64_t>(softmax_impl::short_rows::longest) &&
      outer >= 8 && f != softmax_fn::hardmax) {
    constexpr auto rows = static_cast<std::int64_t>(softmax_impl::short_rows::rows);
    for_runs(c.exec, (outer + rows - 1) / rows, row_grain(n * rows), [&](std::int64_t begin, std::int64_t end) {
      softmax_impl::short_rows block;
      for (std::int64_t b = begin; b < end; ++b)
        block.run(f, x.as<const float>() + b * rows * n, y.as<float>() + b * rows * n, static_cast<std::size_t>(n),
                  static_cast<std::size_t>(std::min(rows, outer - b * rows)));
    });
    return;
  }
  visit_real(x.type, [&]<class T>(T) {
    const std::int64_t blocks = inner == 1 ? 1 : (inner + 63) / 64;
    for_runs(c.exec, outer * blocks, row_grain(n * (inner == 1 ? 1 : 64)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t at = r / blocks * n * inner + r % blocks * 64;
        const T* const from = x.as<const T>() + at;
        T* const to = y.as<T>() + at;
        if (inner == 1) softmax_impl::contiguous(f, from, to, static_cast<std::size_t>(n));
        else
          softmax_impl::strided(f, from, to, static_cast<std::size_t>(n), inner,
                                static_cast<std::size_t>(std::min<std::int64_t>(64, inner - r % blocks * 64)));
      }
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
