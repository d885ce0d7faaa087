// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/fused.hpp"

/// f32 functions with one result on every machine: fixed polynomials, explicit fused multiply-adds, IEEE division and
/// no C library. All are free of branches, so loops over them vectorise. Errors are the largest over every f32
/// argument, in units in the last place of the exact result (tests/kernels/math.cpp). Any NaN in gives `quiet_nan` out:
/// what an invalid operation returns differs between x86 and Arm, so NaNs are never passed on as they are.
namespace dsmm::inline DSMM_ABI::kernels {

inline constexpr float quiet_nan = std::numeric_limits<float>::quiet_NaN();

/// a * b + c with one rounding. M, here and below: how (kernels/fused.hpp).
template <class M = fused::of_build>
[[gnu::always_inline]] inline float fma(float a, float b, float c) noexcept {
  return M::fma(a, b, c);
}

/// yes or no by masks: g++ 12 does not vectorise a loop with several conditional expressions on floats.
[[gnu::always_inline]] inline float choose(bool condition, float yes, float no) noexcept {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(yes) & mask) | (std::bit_cast<std::uint32_t>(no) & ~mask));
}

/// x, or quiet_nan for any NaN.
[[gnu::always_inline]] inline float canonical(float x) noexcept { return choose(x == x, x, quiet_nan); }

namespace math_impl {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
/// Adding it to |x| < 2^22 rounds x to an integer, ties to even, and leaves that integer in the low mantissa bits.
inline constexpr float to_integer = 0x1.8p23f;

[[gnu::always_inline]] inline float clamp(float x, float low, float high) noexcept {
  x = choose(x > low, x, low);  // NaN becomes low
  return choose(x < high, x, high);
}

/// p * 2^n for |n| < 252 and p near 1, in two steps so that a subnormal result is rounded once; n as an f32 integer.
[[gnu::always_inline]] inline float scale(float p, float n_shifted) noexcept {
  const std::int32_t n = std::bit_cast<std::int32_t>(n_shifted) - std::bit_cast<std::int32_t>(to_integer);
  const std::int32_t half = n >> 1;
  return p * std::bit_cast<float>((half + 127) << 23) * std::bit_cast<float>((n - half + 127) << 23);
}

/// x = (1 + f) * 2^e with 1 + f in [sqrt(1/2), sqrt(2)); rest = log(1 + f) - f.
struct log_parts {
  float f, e, rest;
};

template <class M = fused::of_build>
[[gnu::always_inline]] inline log_parts split_log(float x) noexcept {
  const bool tiny = x < 0x1p-126f;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(choose(tiny, x * 0x1p24f, x));
  const std::int32_t e = static_cast<std::int32_t>(bits - 0x3F35'04F3u) >> 23;
  const float f = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(e) << 23)) - 1.0f;
  float q = 0x1.1457bep-4f;
  q = fma<M>(q, f, -0x1.de3c1ep-4f);
  q = fma<M>(q, f, 0x1.e6f066p-4f);
  q = fma<M>(q, f, -0x1.fc2206p-4f);
  q = fma<M>(q, f, 0x1.233768p-3f);
  q = fma<M>(q, f, -0x1.555c4ep-3f);
  q = fma<M>(q, f, 0x1.99a4b6p-3f);
  q = fma<M>(q, f, -0x1.000006p-2f);
  q = fma<M>(q, f, 0x1.555548p-2f);
  const float f2 = f * f;
  return {f, static_cast<float>(e - 24 * static_cast<std::int32_t>(tiny)), fma<M>(f2 * f, q, -0.5f * f2)};
}

/// The values of a logarithm where the polynomial has none.
[[gnu::always_inline]] inline float log_edges(float x, float y) noexcept {
  y = choose(x < infinity, y, infinity);
  y = choose(x > 0.0f, y, -infinity);
  return choose(x >= 0.0f, y, quiet_nan);
}

}  // namespace math_impl

/// 2^x. Error below 0.96; 0 below -150, infinity from 128 on; subnormal results are exact to one rounding.
template <class M = fused::of_build>
[[gnu::always_inline]] inline float exp2(float x) noexcept {
  const float c = math_impl::clamp(x, -151.0f, 129.0f);
  const float shifted = c + math_impl::to_integer;
  const float f = c - (shifted - math_impl::to_integer);  // [-1/2, 1/2], exact
  float q = 0x1.41fbbap-13f;
  q = fma<M>(q, f, 0x1.5f3e52p-10f);
  q = fma<M>(q, f, 0x1.3b2d4cp-7f);
  q = fma<M>(q, f, 0x1.c6aee8p-5f);
  q = fma<M>(q, f, 0x1.ebfbdcp-3f);
  q = fma<M>(q, f, 0x1.62e430p-1f);
  return choose(x == x, math_impl::scale(fma<M>(q, f, 1.0f), shifted), quiet_nan);
}

/// e^x. Error below 1.03; 0 below -103.98, infinity above 88.73.
template <class M = fused::of_build>
[[gnu::always_inline]] inline float exp(float x) noexcept {
  const float c = math_impl::clamp(x, -105.0f, 89.5f);
  const float shifted = fma<M>(c, 0x1.715476p+0f, math_impl::to_integer);
  const float n = shifted - math_impl::to_integer;
  const float r =
      fma<M>(n, -0x1.7f7d1cp-20f, fma<M>(n, -0x1.62e4p-1f, c));  // ln 2 in two parts; the first step is exact
  float q = 0x1.6a2362p-10f;
  q = fma<M>(q, r, 0x1.123a62p-7f);
  q = fma<M>(q, r, 0x1.5558f4p-5f);
  q = fma<M>(q, r, 0x1.555490p-3f);
  q = fma<M>(q, r, 0x1.fffffcp-2f);
  return choose(x == x, math_impl::scale(1.0f + fma<M>(r * r, q, r), shifted), quiet_nan);
}

/// log2(x). Error below 1.26; -infinity at both zeros, NaN below.
template <class M = fused::of_build>
[[gnu::always_inline]] inline float log2(float x) noexcept {
  constexpr float c = 0x1.c551dap-2f;  // log2(e) - 1
  const math_impl::log_parts p = math_impl::split_log<M>(x);
  return math_impl::log_edges(x, fma<M>(p.f, c, fma<M>(p.rest, c, p.rest)) + p.f + p.e);
}

/// Natural logarithm. Error below 0.82; -infinity at both zeros, NaN below.
template <class M = fused::of_build>
[[gnu::always_inline]] inline float log(float x) noexcept {
  const math_impl::log_parts p = math_impl::split_log<M>(x);
  return math_impl::log_edges(x, fma<M>(p.e, 0x1.62e4p-1f, fma<M>(p.e, 0x1.7f7d1cp-20f, p.rest) + p.f));
}

/// tanh(x). Error below 1.34.
template <class M = fused::of_build>
[[gnu::always_inline]] inline float tanh(float x) noexcept {
  const float s = x * x;
  float q = 0x1.197b7ep-9f;
  q = fma<M>(q, s, -0x1.0c2146p-7f);
  q = fma<M>(q, s, 0x1.6394dap-6f);
  q = fma<M>(q, s, -0x1.b9ef7cp-5f);
  q = fma<M>(q, s, 0x1.11106cp-3f);
  q = fma<M>(q, s, -0x1.555554p-2f);
  const std::uint32_t sign = std::bit_cast<std::uint32_t>(x) & 0x8000'0000u;
  const float magnitude = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ sign);
  const float large = 1.0f - 2.0f / (exp<M>(magnitude + magnitude) + 1.0f);
  const float y = choose(magnitude < 0.625f, fma<M>(s * q, magnitude, magnitude), large);
  return choose(x == x, std::bit_cast<float>(std::bit_cast<std::uint32_t>(y) | sign), quiet_nan);
}

/// 1 / (1 + e^-x). Error below 2.41, in both tails too.
template <class M = fused::of_build>
[[gnu::always_inline]] inline float sigmoid(float x) noexcept {
  const float e = exp<M>(choose(x < 0.0f, x, -x));
  return choose(x < 0.0f, e, 1.0f) / (1.0f + e);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
