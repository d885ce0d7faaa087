// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math32.hpp"
#include "dsmm/kernels/nd/math64.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::unary_impl {

/// One f32 function with its two parameters.
template <unary_fn f, class M>
[[gnu::always_inline]] inline float one(float v, float a, float b) noexcept {
  static_cast<void>(a);
  static_cast<void>(b);
  using enum unary_fn;
  if constexpr (f == relu) return choose(v <= 0.0f, 0.0f, v);
  else if constexpr (f == leaky_relu) return choose(v < 0.0f, a * v, v);
  else if constexpr (f == elu) return choose(v < 0.0f, a * math32::expm1<M>(v), v);
  else if constexpr (f == selu) return b * choose(v <= 0.0f, a * math32::expm1<M>(v), v);
  else if constexpr (f == celu) return choose(v < 0.0f, a * math32::expm1<M>(v / a), v);
  else if constexpr (f == thresholded_relu) return choose(v <= a, 0.0f, v);
  else if constexpr (f == clip) return choose(choose(v < a, a, v) > b, b, choose(v < a, a, v));
  else if constexpr (f == sigmoid) return kernels::sigmoid<M>(v);
  else if constexpr (f == hard_sigmoid) return choose(v == v, math_impl::clamp(fma<M>(a, v, b), 0.0f, 1.0f), quiet_nan);
  else if constexpr (f == hard_swish)
    return v * choose(v == v, math_impl::clamp(fma<M>(0x1.555556p-3f, v, 0.5f), 0.0f, 1.0f), v);
  else if constexpr (f == tanh) return kernels::tanh<M>(v);
  else if constexpr (f == softplus) return math32::softplus<M>(v);
  else if constexpr (f == softsign) return v / (1.0f + math32::abs(v));
  else if constexpr (f == erf) return math32::erf<M>(v);
  else if constexpr (f == gelu) return canonical(math32::gelu<M>(v));
  else if constexpr (f == gelu_tanh) return canonical(math32::gelu_tanh<M>(v));
  else if constexpr (f == mish) return math32::mish<M>(v);
  else if constexpr (f == silu) return canonical(v * kernels::sigmoid<M>(a * v));
  else if constexpr (f == exp) return kernels::exp<M>(v);
  else if constexpr (f == log) return kernels::log<M>(v);
  else if constexpr (f == sqrt) return canonical(__builtin_sqrtf(v));
  else if constexpr (f == reciprocal) return 1.0f / v;
  else if constexpr (f == neg) return -v;
  else if constexpr (f == abs) return math32::abs(v);
  else if constexpr (f == sign) return choose(v > 0.0f, 1.0f, choose(v < 0.0f, -1.0f, v));
  else if constexpr (f == floor) return math32::floor(v);
  else if constexpr (f == ceil) return math32::ceil(v);
  else if constexpr (f == round) return math32::round(v);
  else if constexpr (f == shrink) return choose(v < -a, v + b, choose(v > a, v - b, choose(v == v, 0.0f, v)));
  // Through f64: functions that no network spends its time in.
  else if constexpr (f == sin) return static_cast<float>(math64::sin(static_cast<double>(v)));
  else if constexpr (f == cos) return static_cast<float>(math64::cos(static_cast<double>(v)));
  else if constexpr (f == tan) return static_cast<float>(math64::tan(static_cast<double>(v)));
  else if constexpr (f == asin) return static_cast<float>(math64::asin(static_cast<double>(v)));
  else if constexpr (f == acos) return static_cast<float>(math64::acos(static_cast<double>(v)));
  else if constexpr (f == atan) return static_cast<float>(math64::atan(static_cast<double>(v)));
  else if constexpr (f == sinh) return static_cast<float>(math64::sinh(static_cast<double>(v)));
  else if constexpr (f == cosh) return static_cast<float>(math64::cosh(static_cast<double>(v)));
  else if constexpr (f == asinh) return static_cast<float>(math64::asinh(static_cast<double>(v)));
  else if constexpr (f == acosh) return static_cast<float>(math64::acosh(static_cast<double>(v)));
  else if constexpr (f == atanh) return static_cast<float>(math64::atanh(static_cast<double>(v)));
  else return v;
}

/// The specification, as wide as the compiler makes it.
struct generic {
  static constexpr isa required = isa::generic;

  /// y[i] = f(x[i]); x may be y.
  template <unary_fn f>
  static void map(float a, float b, const float* x, float* y, std::size_t n) noexcept {
    with_avx2([ a, b, x, y, n ]<class M>(M) __attribute__((always_inline)) {
      for (std::size_t i = 0; i < n; ++i) y[i] = one<f, M>(x[i], a, b);
    });
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::unary_impl
