// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/pad_channels.hpp"

/// Elementwise kernels. A second operand of shape (1, 1, C) is broadcast over H and W; otherwise shapes are equal.
/// Each works on rows [y_begin, y_end) of y, and y may be one of the operands.
namespace dsmm::inline DSMM_ABI::kernels {

namespace eltwise_impl {

template <class T>
constexpr tensor_view<const T> broadcast(tensor_view<const T> b, extents shape) noexcept {
  if (b.shape != shape) b.row = b.pixel = 0;
  return b;
}

template <class T>
constexpr bool dense(const tensor_view<T>& x) noexcept {
  return x.pixel == x.shape.c;
}

/// f(a, b, y, n) for every run of n elements that is contiguous in all three: rows, or else pixels.
template <class A, class B, class Y, class F>
[[gnu::always_inline]] inline void for_runs(const tensor_view<A>& a, const tensor_view<B>& b, const tensor_view<Y>& y,
                                            std::int32_t y_begin, std::int32_t y_end, const F& f) noexcept {
  const bool rows = dense(a) && dense(b) && dense(y);  // never for a broadcast b: its pixel stride is 0
  const std::ptrdiff_t run = std::ptrdiff_t{rows ? y.shape.w : 1} * y.shape.c;
  for (std::int32_t row = y_begin; row < y_end; ++row)
    for (std::int32_t col = 0; col < (rows ? 1 : y.shape.w); ++col)
      f(a.at(row, col), b.at(row, col), y.at(row, col), run);
}

}  // namespace eltwise_impl

/// y = x if flag > 0.5, else `otherwise` (also for a NaN flag); both have the scale of y. T is std::uint8_t or float;
/// `zero_point` fills the padding channels of a u8 y.
template <class T>
void select(float flag, tensor_view<const T> x, tensor_view<const T> otherwise, tensor_view<T> y,
            std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
  const tensor_view<const T> from = eltwise_impl::broadcast(flag > 0.5f ? x : otherwise, y.shape);
  eltwise_impl::for_runs(from, from, y, y_begin, y_end, [&](const T* source, const T*, T* out, std::ptrdiff_t n) {
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = source[i];
    if constexpr (sizeof(T) == 1) pad_channels(y, out, zero_point);
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
