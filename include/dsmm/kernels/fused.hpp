// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include "dsmm/config.hpp"

/// a * b + c with one rounding, by the machine's instruction or without one: the same bits.
namespace dsmm::inline DSMM_ABI::kernels::fused {

/// The machine's instruction, in functions that are compiled for it; elsewhere a call of the C library.
struct hardware {
  [[gnu::always_inline]] static inline float fma(float a, float b, float c) noexcept { return __builtin_fmaf(a, b, c); }
};

/// In f64, for processors without the instruction (Intel Atoms up to Elkhart Lake, most before 2013), where the C
/// library takes 150 ns. The product is exact and the sum rounded to 53 bits; to round that once more is harmless
/// unless it lies halfway between two f32, or is so small that an f32 has fewer bits.
struct emulated {
  [[gnu::always_inline]] static inline float fma(float a, float b, float c) noexcept {
    const double product = static_cast<double>(a) * static_cast<double>(b), sum = product + static_cast<double>(c);
    const auto bits = std::bit_cast<std::uint64_t>(sum);
    constexpr std::uint64_t smallest = 0x3810'0000'0000'0000;  // 2^-126; zero wraps around
    const bool halfway = (bits & 0x1FFF'FFFF) == 0x1000'0000, small = (bits << 1) - 1 < (smallest << 1) - 1;
    if (halfway || small) [[unlikely]]
      return rounded_to_odd(product, static_cast<double>(c), sum);
    return static_cast<float>(sum);
  }

private:
  /// Of two neighbouring f64 around an inexact sum the odd one, which then rounds to f32 as the exact sum does (Boldo
  /// and Melquiond, "Emulation of FMA and correctly rounded sums", 2008). The error of the sum is Knuth's.
  [[gnu::noinline]] static float rounded_to_odd(double product, double c, double sum) noexcept {
    const double part = sum - product, error = (product - (sum - part)) + (c - part);
    auto bits = std::bit_cast<std::uint64_t>(sum);
    if ((bits & 1) == 0 && (error > 0.0 || error < 0.0)) bits += (error > 0.0) == (sum > 0.0) ? 1 : ~std::uint64_t{0};
    return static_cast<float>(std::bit_cast<double>(bits));
  }
};

/// What code outside functions of an instruction set of their own does.
#if DSMM_X86 && !defined(__FMA__)
using of_build = emulated;
#else
using of_build = hardware;
#endif

}  // namespace dsmm::inline DSMM_ABI::kernels::fused
