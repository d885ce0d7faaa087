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

/// Factors of an add, all derived from the three quantizations.
struct add_factors {
  std::int32_t a = 0, b = 0;  ///< round(2^20 * scale / y.scale), ties upward
  std::int32_t zero_a = 0, zero_b = 0, zero_y = 0;
  std::int32_t low = 0;  ///< zero_y for a following ReLU

  /// What is added to a * Ma + b * Mb before the shift by 20.
  constexpr std::int64_t offset() const noexcept {
    return (std::int64_t{1} << 19) - std::int64_t{zero_a} * a - std::int64_t{zero_b} * b;
  }
  /// |sum| < 2^31 as long as 255 * (Ma + Mb) + 2^19 is: then 32 bits hold every step.
  constexpr bool narrow() const noexcept { return std::int64_t{a} + b <= 0x7FFF'FFFF / 255 - 0x1000; }
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

namespace add_u8_impl {

/// The specification; compiled for AVX2 as well.
struct generic {
  static constexpr isa required = isa::generic;

  /// b has the shape of y, or steps of 0 where it is one pixel for all.
  static void rows(const tensor_view<const std::uint8_t>& a, const tensor_view<const std::uint8_t>& b,
                   const tensor_view<std::uint8_t>& y, const add_factors& factors, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
    with_avx2([=]() __attribute__((always_inline)) {
      const add_factors k = factors;
      const std::int64_t offset = k.offset();
      const bool narrow = k.narrow();
      eltwise_impl::for_runs(
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
};

}  // namespace add_u8_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
