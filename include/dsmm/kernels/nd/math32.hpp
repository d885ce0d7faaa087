// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"

/// More f32 functions in the manner of kernels/math.hpp: no branches, so that loops over them vectorise. Errors are in
/// tests/kernels/nd/math.cpp.
namespace dsmm::inline DSMM_ABI::kernels::nd::math32 {

using kernels::choose;
using kernels::fma;

[[gnu::always_inline]] inline float abs(float x) noexcept {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x7FFF'FFFFu);
}
[[gnu::always_inline]] inline float with_sign(float x, float sign) noexcept {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(x) & 0x7FFF'FFFFu) |
                              (std::bit_cast<std::uint32_t>(sign) & 0x8000'0000u));
}

/// Nearest integer, ties to even.
[[gnu::always_inline]] inline float round(float x) noexcept {
  const float magnitude = abs(x);
  return choose(magnitude < 0x1p23f, with_sign(magnitude + 0x1p23f - 0x1p23f, x), x);
}
[[gnu::always_inline]] inline float floor(float x) noexcept {
  const float r = round(x);
  return choose(r > x, r - 1.0f, r);
}
[[gnu::always_inline]] inline float ceil(float x) noexcept {
  const float r = round(x);
  return choose(r < x, with_sign(r + 1.0f, x), r);
}

/// e^x - 1.
template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float expm1(float x) noexcept {
  float q = 0x1.6a2362p-10f;
  q = fma<M>(q, x, 0x1.123a62p-7f);
  q = fma<M>(q, x, 0x1.5558f4p-5f);
  q = fma<M>(q, x, 0x1.555490p-3f);
  q = fma<M>(q, x, 0x1.fffffcp-2f);
  return choose(abs(x) < 0.34f, fma<M>(x * x, q, x), kernels::exp<M>(x) - 1.0f);
}

/// log(1 + x) for x in [0, 1].
template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float log1p_unit(float x) noexcept {
  const float u = 1.0f + x, d = u - 1.0f;
  return choose(d == 0.0f, x, kernels::log<M>(u) * (x / choose(d == 0.0f, 1.0f, d)));
}

template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float erf(float x) noexcept {
  const float a = abs(x), s = x * x;
  float p = -0x1.449784p-17f;
  p = fma<M>(p, s, 0x1.d89ff4p-14f);
  p = fma<M>(p, s, -0x1.bcd3a4p-11f);
  p = fma<M>(p, s, 0x1.562abep-8f);
  p = fma<M>(p, s, -0x1.b829d0p-6f);
  p = fma<M>(p, s, 0x1.ce2f0ap-4f);
  p = fma<M>(p, s, -0x1.812746p-2f);
  p = fma<M>(p, s, 0x1.06eba8p-3f);
  const float t = choose(a < 4.0f, a, 4.0f);  // erf(4) rounds to 1
  float q = -0x1.1abb46p-24f;                 // log(1 - erf(t)) for t in [1, 4]
  q = fma<M>(q, t, 0x1.9f6e6ap-19f);
  q = fma<M>(q, t, -0x1.f7e4c0p-15f);
  q = fma<M>(q, t, 0x1.6105d6p-11f);
  q = fma<M>(q, t, -0x1.490f26p-8f);
  q = fma<M>(q, t, 0x1.ba5c1ap-6f);
  q = fma<M>(q, t, -0x1.c646dcp-4f);
  q = fma<M>(q, t, -0x1.431e14p-1f);
  q = fma<M>(q, t, -0x1.216f4cp+0f);
  q = fma<M>(q, t, 0x1.a3f488p-12f);
  const float large = with_sign(1.0f - kernels::exp<M>(q), x);
  return choose(x == x, choose(a < 1.0f, fma<M>(x, p, x), large), kernels::quiet_nan);
}

/// log(1 + e^x)
template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float softplus(float x) noexcept {
  const float y = choose(x > 0.0f, x, 0.0f) + log1p_unit<M>(kernels::exp<M>(-abs(x)));
  return choose(x == x, y, kernels::quiet_nan);
}

/// x tanh(softplus(x))
template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float mish(float x) noexcept {
  const float n = kernels::exp<M>(choose(x < 20.0f, x, 20.0f)), m = fma<M>(n, n, n + n);
  return choose(x < 20.0f, x * (m / (m + 2.0f)), x);
}

template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float gelu(float x) noexcept {
  return 0.5f * x * (1.0f + erf<M>(x * 0x1.6a09e6p-1f));
}
template <class M = kernels::fused::of_build>
[[gnu::always_inline]] inline float gelu_tanh(float x) noexcept {
  return 0.5f * x * (1.0f + kernels::tanh<M>(0x1.988454p-1f * fma<M>(0x1.6e4e26p-5f * x * x, x, x)));
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::math32
