// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/eltwise.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Factors of a product.
struct mul_factors {
  fixed_point factor;  ///< F(a.scale * b.scale / y.scale)
  std::int32_t zero_a = 0, zero_b = 0, zero_y = 0;
  std::int32_t low = 0;  ///< zero_y for a following ReLU
};

/// False if the factor is outside [2^-32, 1).
constexpr bool make_mul_factors(const quantization& a, const quantization& b, const quantization& y, bool relu,
                                mul_factors& out) noexcept {
  out.zero_a = a.zero_point;
  out.zero_b = b.zero_point;
  out.zero_y = y.zero_point;
  out.low = relu ? y.zero_point : 0;
  return make_fixed_point(static_cast<double>(a.scale) * static_cast<double>(b.scale) / static_cast<double>(y.scale),
                          out.factor);
}

namespace mul_u8_impl {

/// requantize() of a product of two u8 less zero points, |p| <= 2^16, in 32 bits: the multiplier is three limbs of 11,
/// 10 and 10 bits, and what the lower ones leave below the point cannot carry. For shifts up to 51; beyond that every
/// product rounds to 0.
struct product_scale {
  std::int32_t high, middle, low, rounding, shift;

  explicit constexpr product_scale(fixed_point f) noexcept
      : high(f.multiplier >> 20),
        middle(f.multiplier >> 10 & 1023),
        low(f.multiplier & 1023),
        rounding(f.shift > 51 ? 0 : 1 << (f.shift - 21)),
        shift(f.shift - 20) {
    if (f.shift > 51) high = middle = low = shift = 0;
  }
  [[gnu::always_inline]] constexpr std::int32_t operator()(std::int32_t p) const noexcept {
    return (p * high + ((p * middle + (p * low >> 10)) >> 10) + rounding) >> shift;
  }
};

struct generic {
  static constexpr isa required = isa::generic;

  /// As mul_u8(); b is broadcast already.
  static void rows(const tensor_view<const std::uint8_t>& a, const tensor_view<const std::uint8_t>& b,
                   const tensor_view<std::uint8_t>& y, const mul_factors& factors, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
    with_avx2([=]() __attribute__((always_inline)) {
      const mul_factors k = factors;
      const product_scale scale(k.factor);
      eltwise_impl::for_runs(
          a, b, y, y_begin, y_end,
          [=](const std::uint8_t* pa, const std::uint8_t* pb, std::uint8_t* py, std::ptrdiff_t n)
              __attribute__((always_inline)) {
                for (std::ptrdiff_t i = 0; i < n; ++i) {
                  const std::int32_t v = k.zero_y + scale((pa[i] - k.zero_a) * (pb[i] - k.zero_b));
                  const std::int32_t high = v > k.low ? v : k.low;
                  py[i] = static_cast<std::uint8_t>(high < 255 ? high : 255);
                }
                pad_channels(y, py, k.zero_y);
              });
    });
  }
};

}  // namespace mul_u8_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
