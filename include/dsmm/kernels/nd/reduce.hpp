// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/move.hpp"
#include "dsmm/kernels/nd/reduce_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"
#include "dsmm/kernels/reduce.hpp"

/// Reductions over any set of axes. The reduced axes are brought to the end (by a copy, unless they are there), then
/// every row is one run: f32 sums in the 64 lanes of kernels/reduce.hpp, f64 sums and everything else in order.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace reduce_impl {

inline float exp_of(float x) noexcept { return kernels::exp(x); }
inline double exp_of(double x) noexcept { return math64::exp(x); }
inline float log_of(float x) noexcept { return kernels::log(x); }
inline double log_of(double x) noexcept { return math64::log(x); }
inline float root_of(float x) noexcept { return canonical(__builtin_sqrtf(x)); }
inline double root_of(double x) noexcept { return x < 0.0 ? math64::not_a_number : __builtin_sqrt(x); }

/// Sum of term(i): 64 lanes in f32, in order otherwise.
template <class T, class Term>
T total(std::size_t n, const Term& term) noexcept {
  if constexpr (std::is_same_v<T, float>) {
    float y = 0.0f;
    with_avx2([&y, n, term ]() __attribute__((always_inline)) { y = sum_of(n, term); });
    return y;
  } else {
    T y{};
    for (std::size_t i = 0; i < n; ++i) y = binary_impl::plus(y, term(i));
    return y;
  }
}

template <class T>
T sum_row(const T* x, std::size_t n) noexcept {
  if constexpr (std::is_same_v<T, float>) return selected_reduce_f32().sum(x, n);
  else return total<T>(n, [x](std::size_t i) { return x[i]; });
}

template <class T>
T largest(const T* x, std::size_t n) noexcept {
  T m = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  if constexpr (std::is_same_v<T, float>) return selected_reduce_f32().largest(x, n);
  for (std::size_t i = 0; i < n; ++i) m = binary_impl::greatest(m, x[i]);
  return m;
}

/// One row to one value.
template <class T>
T row(reduce_fn f, const T* x, std::size_t n) noexcept {
  using enum reduce_fn;
  const auto plain = [x](std::size_t i) __attribute__((always_inline)) { return x[i]; };
  const auto magnitude = [x](std::size_t i) __attribute__((always_inline)) {
    return x[i] < T{0} ? binary_impl::minus(T{0}, x[i]) : x[i];
  };
  const auto square = [x](std::size_t i) __attribute__((always_inline)) { return binary_impl::times(x[i], x[i]); };
  switch (f) {
    case sum: return sum_row(x, n);
    case mean: return binary_impl::quotient(sum_row(x, n), static_cast<T>(n));
    case max: return largest(x, n);
    case min: {
      T m = std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
      for (std::size_t i = 0; i < n; ++i) m = binary_impl::least(m, x[i]);
      return m;
    }
    case prod: {
      T m{1};
      for (std::size_t i = 0; i < n; ++i) m = binary_impl::times(m, x[i]);
      return m;
    }
    case l1: return total<T>(n, magnitude);
    case sum_square: return total<T>(n, square);
    default: break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    if (f == l2) return root_of(total<T>(n, square));
    if (f == log_sum) return log_of(total<T>(n, plain));
    const T m = largest(x, n);
    const T shift = m - m == T{0} ? m : T{0};  // keeps infinities
    return log_of(total<T>(
               n, [ x, shift ](std::size_t i) __attribute__((always_inline)) { return exp_of(x[i] - shift); })) +
           shift;
  }
  return T{};
}

/// The axes kept, then the axes of the mask; true if that is the order they have.
inline bool order_axes(const view& x, std::uint32_t mask, std::array<std::size_t, max_rank>& order) noexcept {
  std::size_t n = 0, moved = 0;
  for (const bool reduced : {false, true})
    for (std::size_t i = 0; i < x.rank; ++i)
      if ((mask >> i & 1) == static_cast<std::uint32_t>(reduced)) order[n++] = i;
  for (std::size_t i = 1; i < x.rank; ++i) moved += order[i] < order[i - 1] && x.dims[order[i]] != 1 ? 1 : 0;
  return moved == 0;
}

inline std::size_t reduced_count(const view& x, std::uint32_t mask) noexcept {
  std::size_t n = 1;
  for (std::size_t i = 0; i < x.rank; ++i)
    if ((mask >> i & 1) != 0) n *= static_cast<std::size_t>(x.dims[i]);
  return n;
}

/// f(row index, row, length) for every row of x with the axes of the mask last.
template <class T, class F>
void each_row(const call& c, const view& x, std::uint32_t mask, std::int64_t rows, F&& f) noexcept {
  std::array<std::size_t, max_rank> order{};
  const T* data = x.as<const T>();
  const std::size_t n = reduced_count(x, mask);
  if (!order_axes(x, mask, order)) {
    permute(c.exec, x, order.data(), x.rank, c.scratch);
    data = reinterpret_cast<const T*>(c.scratch);
  }
  for_runs(c.exec, rows, row_grain(static_cast<std::int64_t>(n)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) f(r, data + r * static_cast<std::int64_t>(n), n);
  });
}

inline std::size_t permuted_bytes(const view& x, std::uint32_t mask) noexcept {
  std::array<std::size_t, max_rank> order{};
  return order_axes(x, mask, order) ? 0 : x.bytes();
}

}  // namespace reduce_impl

inline std::size_t nd_reduce_scratch(const call& c) noexcept {
  return reduce_impl::permuted_bytes(c.in[0], static_cast<std::uint32_t>(c.attribute(1)));
}

/// Attributes: function, mask of axes, keepdims.
inline void nd_reduce(const call& c) noexcept {
  const auto f = c.choice<reduce_fn>(0);
  const view &x = c.in[0], &y = c.out[0];
  visit_numeric(x.type, [&]<class T>(T) {
    reduce_impl::each_row<T>(
        c, x, static_cast<std::uint32_t>(c.attribute(1)), y.count(),
        [&](std::int64_t r, const T* row, std::size_t n) { y.as<T>()[r] = reduce_impl::row(f, row, n); });
  });
}

inline std::size_t nd_arg_scratch(const call& c) noexcept {
  return reduce_impl::permuted_bytes(c.in[0], 1u << c.attribute(1));
}

/// Where the largest or smallest of an axis is; the first NaN wins. Attributes: smallest, axis, keepdims, last of
/// equals.
inline void nd_arg(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const bool smallest = c.attribute(0) != 0, last = c.attribute(3) != 0;
  visit_numeric(x.type, [&]<class T>(T) {
    reduce_impl::each_row<T>(c, x, 1u << c.attribute(1), y.count(), [&](std::int64_t r, const T* row, std::size_t n) {
      std::size_t best = 0;
      for (std::size_t i = 1; i < n && row[best] == row[best]; ++i) {
        const bool better = smallest ? row[i] < row[best] : row[i] > row[best];
        if (better || row[i] != row[i] || (last && row[i] == row[best])) best = i;
      }
      y.as<std::int64_t>()[r] = static_cast<std::int64_t>(best);
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
