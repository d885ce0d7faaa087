// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math_target.hpp"
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

/// Factors of an add, all derived from the three quantizations.
struct add_factors {
  std::int32_t a = 0, b = 0;  ///< round(2^20 * scale / y.scale), ties upward
  std::int32_t zero_a = 0, zero_b = 0, zero_y = 0;
  std::int32_t low = 0;  ///< zero_y for a following ReLU
};

/// False if a factor exceeds 2^30.
constexpr bool make_add_factors(const quantization& a, const quantization& b, const quantization& y, bool relu,
                                add_factors& out) noexcept {
  const double fa = static_cast<double>(a.scale) / static_cast<double>(y.scale) * 0x1p20;
  const double fb = static_cast<double>(b.scale) / static_cast<double>(y.scale) * 0x1p20;
  if (!(fa >= 0.0 && fa <= 0x1p30 && fb >= 0.0 && fb <= 0x1p30)) return false;
  out = {static_cast<std::int32_t>(fa + 0.5),
         static_cast<std::int32_t>(fb + 0.5),
         a.zero_point,
         b.zero_point,
         y.zero_point,
         relu ? y.zero_point : 0};
  return true;
}

/// y = clamp(zp_y + ((a - zp_a) * Ma + (b - zp_b) * Mb + 2^19) >> 20).
inline void add_u8(tensor_view<const std::uint8_t> a, tensor_view<const std::uint8_t> b, tensor_view<std::uint8_t> y,
                   const add_factors& factors, std::int32_t y_begin, std::int32_t y_end) noexcept {
  b = eltwise_impl::broadcast(b, y.shape);
  with_avx2([=]() __attribute__((always_inline)) {
    using eltwise_impl::for_runs;
    const add_factors k = factors;
    const std::int64_t offset = (std::int64_t{1} << 19) - std::int64_t{k.zero_a} * k.a - std::int64_t{k.zero_b} * k.b;
    // |sum| < 2^31 as long as 255 * (Ma + Mb) + 2^19 is: then 32 bits hold every step.
    const bool narrow = std::int64_t{k.a} + k.b <= 0x7FFF'FFFF / 255 - 0x1000;
    for_runs(
        a, b, y, y_begin, y_end,
        [=](const std::uint8_t* pa, const std::uint8_t* pb, std::uint8_t* py, std::ptrdiff_t n)
            __attribute__((always_inline)) {
              if (narrow) {
                const auto offset32 = static_cast<std::int32_t>(offset);
                for (std::ptrdiff_t i = 0; i < n; ++i) {
                  const std::int32_t v = k.zero_y + ((pa[i] * k.a + (pb[i] * k.b + offset32)) >> 20);
                  const std::int32_t high = v > k.low ? v : k.low;
                  py[i] = static_cast<std::uint8_t>(high < 255 ? high : 255);
                }
              } else {
                for (std::ptrdiff_t i = 0; i < n; ++i) {
                  const std::int64_t v = std::int64_t{pa[i]} * k.a + std::int64_t{pb[i]} * k.b + offset;
                  py[i] = clamp_u8(k.zero_y + (v >> 20), k.low);
                }
              }
              pad_channels(y, py, k.zero_y);
            });
  });
}

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
