// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/unary_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Functions of one element.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// y = f(x) with the two parameters of the function. x may be y. NaN gives NaN.
inline void unary_f32(unary_fn f, float a, float b, const float* x, float* y, std::size_t n) noexcept {
  unary_impl::maps[static_cast<std::size_t>(f)](a, b, x, y, n);
}

/// The same functions in f64; a NaN may have any sign.
inline double unary_f64_raw(unary_fn f, double a, double b, double v) noexcept {
  using enum unary_fn;
  const auto logistic = [](double t) {
    return t < 0.0 ? math64::exp(t) / (1.0 + math64::exp(t)) : 1.0 / (1.0 + math64::exp(-t));
  };
  const auto soft = [](double t) { return (t > 0.0 ? t : 0.0) + math64::log1p(math64::exp(-math64::abs(t))); };
  const auto unit = [](double t) { return t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t; };
  switch (f) {
    case relu: return v <= 0.0 ? 0.0 : v;
    case leaky_relu: return v < 0.0 ? a * v : v;
    case elu: return v < 0.0 ? a * math64::expm1(v) : v;
    case selu: return b * (v <= 0.0 ? a * math64::expm1(v) : v);
    case celu: return v < 0.0 ? a * math64::expm1(v / a) : v;
    case thresholded_relu: return v <= a ? 0.0 : v;
    case clip: return v < a ? (a > b ? b : a) : v > b ? b : v;
    case sigmoid: return logistic(v);
    case hard_sigmoid: return unit(a * v + b);
    case hard_swish: return v * unit(v / 6.0 + 0.5);
    case tanh: return math64::tanh(v);
    case softplus: return soft(v);
    case softsign: return v / (1.0 + math64::abs(v));
    case erf: return math64::erf(v);
    case gelu: return 0.5 * v * (1.0 + math64::erf(v * 0x1.6a09e667f3bcdp-1));
    case gelu_tanh:
      return 0.5 * v * (1.0 + math64::tanh(0x1.9884533d43651p-1 * (v + 0x1.6e4e26d4801f7p-5 * v * v * v)));
    case mish: return v * math64::tanh(soft(v));
    case silu: return v * logistic(a * v);
    case exp: return math64::exp(v);
    case log: return math64::log(v);
    case sqrt: return __builtin_sqrt(v);
    case reciprocal: return 1.0 / v;
    case neg: return -v;
    case abs: return math64::abs(v);
    case sign: return v > 0.0 ? 1.0 : v < 0.0 ? -1.0 : v;
    case floor: return math64::floor(v);
    case ceil: return math64::ceil(v);
    case round: return math64::round(v);
    case sin: return math64::sin(v);
    case cos: return math64::cos(v);
    case tan: return math64::tan(v);
    case asin: return math64::asin(v);
    case acos: return math64::acos(v);
    case atan: return math64::atan(v);
    case sinh: return math64::sinh(v);
    case cosh: return math64::cosh(v);
    case asinh: return math64::asinh(v);
    case acosh: return math64::acosh(v);
    case atanh: return math64::atanh(v);
    case shrink: return v < -a ? v + b : v > a ? v - b : v == v ? 0.0 : v;
    default: return v;
  }
}

inline double unary_f64(unary_fn f, double a, double b, double v) noexcept {
  const double y = unary_f64_raw(f, a, b, v);
  return y == y ? y : math64::not_a_number;
}

/// In place or not; for the epilogues of other kernels.
inline void unary_real(unary_fn f, float a, float b, const float* x, float* y, std::size_t n) noexcept {
  unary_f32(f, a, b, x, y, n);
}
inline void unary_real(unary_fn f, float a, float b, const double* x, double* y, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] = unary_f64(f, a, b, x[i]);
}

/// Functions of integers; all wrap.
template <class T>
T unary_integer(unary_fn f, T v) noexcept {
  using U = wrapping<T>;
  switch (f) {
    case unary_fn::relu: return v < T{0} ? T{0} : v;
    case unary_fn::neg: return static_cast<T>(U{0} - static_cast<U>(v));
    case unary_fn::abs: return v < T{0} ? static_cast<T>(U{0} - static_cast<U>(v)) : v;
    case unary_fn::sign: return static_cast<T>((v > T{0}) - (v < T{0}));
    case unary_fn::bitwise_not: return static_cast<T>(~static_cast<U>(v));
    case unary_fn::logical_not: return static_cast<T>(v == T{0});
    default: return v;
  }
}

/// Attributes: function, alpha, beta.
inline void nd_unary(const call& c) noexcept {
  const auto f = c.choice<unary_fn>(0);
  const float a = c.attribute_f32(1), b = c.attribute_f32(2);
  const view &x = c.in[0], &y = c.out[0];
  const auto runs = [&](auto&& body) {
    for_runs(c.exec, x.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
      body(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    });
  };
  if (f == unary_fn::is_nan || f == unary_fn::is_inf) {
    visit_real(x.type, [&]<class T>(T) {
      runs([&](std::size_t at, std::size_t n) {
        for (std::size_t i = at; i < at + n; ++i) {
          const T v = x.as<const T>()[i];
          const bool infinite =
              (a != 0.0f && v > std::numeric_limits<T>::max()) || (b != 0.0f && v < std::numeric_limits<T>::lowest());
          y.as<std::uint8_t>()[i] = f == unary_fn::is_nan ? v != v : infinite;
        }
      });
    });
    return;
  }
  if (f == unary_fn::identity) {  // of any type
    runs([&](std::size_t at, std::size_t n) {
      std::copy_n(x.data + at * size_of(x.type), n * size_of(x.type), y.data + at * size_of(x.type));
    });
    return;
  }
  visit_numeric(x.type, [&]<class T>(T) {
    runs([&](std::size_t at, std::size_t n) {
      if constexpr (std::is_floating_point_v<T>) unary_real(f, a, b, x.as<const T>() + at, y.as<T>() + at, n);
      else
        for (std::size_t i = at; i < at + n; ++i) y.as<T>()[i] = unary_integer(f, x.as<const T>()[i]);
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
