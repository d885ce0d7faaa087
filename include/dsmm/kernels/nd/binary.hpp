// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/nest.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Functions of two elements, and the choice between two, with numpy's broadcasting.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace binary_impl {

/// One run of the innermost axis: the steps of a and b are 0 or 1.
using run_function = void (*)(const std::byte* a, std::int64_t step_a, const std::byte* b, std::int64_t step_b,
                              std::byte* y, std::int64_t n) noexcept;

/// What an invalid operation gives differs between x86 and Arm in its sign: every NaN becomes the positive quiet one.
template <class T>
[[gnu::always_inline]] inline T settled(T x) noexcept {
  if constexpr (std::is_same_v<T, float>) return canonical(x);
  else if constexpr (std::is_same_v<T, double>) return x == x ? x : math64::not_a_number;
  else return x;
}

/// f over one run; f32 tells the compiler which steps are 0, that it vectorises, other types stay short.
template <class T, class Y, class F>
void run(const std::byte* left, std::int64_t step_a, const std::byte* right, std::int64_t step_b, std::byte* out,
         std::int64_t n) noexcept {
  const T* const a = reinterpret_cast<const T*>(left);
  const T* const b = reinterpret_cast<const T*>(right);
  Y* const y = reinterpret_cast<Y*>(out);
  constexpr F f{};
  if constexpr (!std::is_same_v<T, float>) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = settled(f(a[i * step_a], b[i * step_b]));
  } else {
    with_avx2([ a, step_a, b, step_b, y, n, f ]() __attribute__((always_inline)) {
      if (step_a != 0 && step_b != 0)
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(f(a[i], b[i]));
      else if (step_a != 0)
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(f(a[i], *b));
      else if (step_b != 0)
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(f(*a, b[i]));
      else
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(f(*a, *b));
    });
  }
}

template <class T>
T power(T a, T b) noexcept {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(math64::pow(static_cast<double>(a), static_cast<double>(b)));
  } else {
    using U = wrapping<T>;
    if (b < T{0}) return static_cast<T>(a == T{1} ? 1 : static_cast<U>(a) == ~U{0} ? ((b & 1) != 0 ? a : T{1}) : 0);
    U result = 1, base = static_cast<U>(a);
    for (auto e = static_cast<std::uint64_t>(b); e != 0; e >>= 1, base *= base)
      if ((e & 1) != 0) result *= base;
    return static_cast<T>(result);
  }
}

template <class T>
T quotient(T a, T b) noexcept {
  if constexpr (std::is_floating_point_v<T>) return a / b;
  else if (b == T{0}) return T{0};
  else if constexpr (std::is_signed_v<T>)
    return static_cast<T>(b == T{-1} ? static_cast<T>(wrapping<T>{0} - static_cast<wrapping<T>>(a)) : static_cast<T>(a / b));
  else return static_cast<T>(a / b);
}

/// Sign of the dividend.
template <class T>
T remainder(T a, T b) noexcept {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(math64::fmod(static_cast<double>(a), static_cast<double>(b)));
  else if (b == T{0} || (std::is_signed_v<T> && static_cast<wrapping<T>>(b) == ~wrapping<T>{0})) return T{0};
  else return static_cast<T>(a % b);
}

/// Sign of the divisor.
template <class T>
T modulo(T a, T b) noexcept {
  const T r = remainder(a, b);
  return r != T{0} && ((r < T{0}) != (b < T{0})) ? static_cast<T>(r + b) : r;
}

/// NaN wins, as numpy has it.
template <class T>
[[gnu::always_inline]] inline T least(T a, T b) noexcept {
  return a < b || a != a ? a : b;
}
template <class T>
[[gnu::always_inline]] inline T greatest(T a, T b) noexcept {
  return a > b || a != a ? a : b;
}

template <class T>
[[gnu::always_inline]] inline T plus(T a, T b) noexcept {
  if constexpr (std::is_floating_point_v<T>) return a + b;
  else return static_cast<T>(static_cast<wrapping<T>>(a) + static_cast<wrapping<T>>(b));
}
template <class T>
[[gnu::always_inline]] inline T minus(T a, T b) noexcept {
  if constexpr (std::is_floating_point_v<T>) return a - b;
  else return static_cast<T>(static_cast<wrapping<T>>(a) - static_cast<wrapping<T>>(b));
}
template <class T>
[[gnu::always_inline]] inline T times(T a, T b) noexcept {
  if constexpr (std::is_floating_point_v<T>) return a * b;
  else return static_cast<T>(static_cast<wrapping<T>>(a) * static_cast<wrapping<T>>(b));
}

template <class T>
T shifted(T a, T b, bool left) noexcept {
  constexpr int width = static_cast<int>(sizeof(T)) * 8;
  if (b < T{0} || static_cast<std::uint64_t>(b) >= width) return left || a >= T{0} ? T{0} : static_cast<T>(-1);
  const int by = static_cast<int>(b);
  return left ? static_cast<T>(static_cast<wrapping<T>>(a) << by) : static_cast<T>(a >> by);
}

/// The run of the function `expression` of two T that gives Y.
#define DSMM_FUNCTION(Y, expression) \
  { \
    constexpr auto function = [](T a, T b) __attribute__((always_inline)) { \
      static_cast<void>(b); \
      return expression; \
    }; \
    return &run<T, Y, std::remove_const_t<decltype(function)>>; \
  }

/// Functions that give a T; nullptr where one has no meaning for T.
template <class T>
run_function function_of(binary_fn f) noexcept {
  using enum binary_fn;
  switch (f) {
    case add: DSMM_FUNCTION(T, plus(a, b))
    case sub: DSMM_FUNCTION(T, minus(a, b))
    case mul: DSMM_FUNCTION(T, times(a, b))
    case div: DSMM_FUNCTION(T, quotient(a, b))
    case pow: DSMM_FUNCTION(T, power(a, b))
    case min: DSMM_FUNCTION(T, least(a, b))
    case max: DSMM_FUNCTION(T, greatest(a, b))
    case mod: DSMM_FUNCTION(T, modulo(a, b))
    case fmod: DSMM_FUNCTION(T, remainder(a, b))
    case prelu: DSMM_FUNCTION(T, a < T{0} ? times(a, b) : a)
    default: break;
  }
  if constexpr (std::is_integral_v<T>) switch (f) {
      case bit_and: DSMM_FUNCTION(T, static_cast<T>(a & b))
      case bit_or: DSMM_FUNCTION(T, static_cast<T>(a | b))
      case bit_xor: DSMM_FUNCTION(T, static_cast<T>(a ^ b))
      case shift_left: DSMM_FUNCTION(T, shifted(a, b, true))
      case shift_right: DSMM_FUNCTION(T, shifted(a, b, false))
      default: break;
    }
  return nullptr;
}

/// Functions that answer yes or no.
template <class T>
run_function question_of(binary_fn f) noexcept {
  using enum binary_fn;
  using Y = std::uint8_t;
  switch (f) {
    case equal: DSMM_FUNCTION(Y, static_cast<Y>(a == b))
    case greater: DSMM_FUNCTION(Y, static_cast<Y>(a > b))
    case less: DSMM_FUNCTION(Y, static_cast<Y>(a < b))
    case greater_equal: DSMM_FUNCTION(Y, static_cast<Y>(a >= b))
    default: DSMM_FUNCTION(Y, static_cast<Y>(a <= b))
  }
}

/// Functions of truth values.
inline run_function logic_of(binary_fn f) noexcept {
  using T = std::uint8_t;
  using enum binary_fn;
  switch (f) {
    case equal: DSMM_FUNCTION(T, static_cast<T>((a != 0) == (b != 0)))
    case logical_and: DSMM_FUNCTION(T, static_cast<T>(a != 0 && b != 0))
    case logical_or: DSMM_FUNCTION(T, static_cast<T>(a != 0 || b != 0))
    default: DSMM_FUNCTION(T, static_cast<T>((a != 0) != (b != 0)))
  }
}

#undef DSMM_FUNCTION

inline run_function run_of(binary_fn f, dtype x, dtype y) noexcept {
  run_function found = nullptr;
  if (x == dtype::b8) return logic_of(f);
  visit_numeric(x, [&]<class T>(T) { found = y == dtype::b8 ? question_of<T>(f) : function_of<T>(f); });
  return found;
}

}  // namespace binary_impl

/// Attribute: function.
inline void nd_binary(const call& c) noexcept {
  const auto f = c.choice<binary_fn>(0);
  const view &a = c.in[0], &b = c.in[1], &y = c.out[0];
  const nest<2> loops = broadcast_nest(y, a, b);
  const binary_impl::run_function run = binary_impl::run_of(f, a.type, y.type);
  if (run == nullptr) return;
  const auto size = static_cast<std::int64_t>(size_of(a.type)), y_size = static_cast<std::int64_t>(size_of(y.type));
  loops.run(c.exec, [&](std::int64_t at, const std::array<std::int64_t, 2>& from, std::int64_t n) {
    run(a.data + from[0] * size, loops.step(0), b.data + from[1] * size, loops.step(1), y.data + at * y_size, n);
  });
}

/// y = condition ? a : b.
inline void nd_where(const call& c) noexcept {
  const view &condition = c.in[0], &a = c.in[1], &b = c.in[2], &y = c.out[0];
  const nest<3> loops = broadcast_nest(y, condition, a, b);
  visit_size(y.type, [&]<class T>(T) {
    loops.run(c.exec, [&](std::int64_t at, const std::array<std::int64_t, 3>& from, std::int64_t n) {
      const std::uint8_t* const p = condition.as<const std::uint8_t>() + from[0];
      const T* const yes = a.as<const T>() + from[1];
      const T* const no = b.as<const T>() + from[2];
      T* const out = y.as<T>() + at;
      const std::int64_t sp = loops.step(0), sa = loops.step(1), sb = loops.step(2);
      for (std::int64_t i = 0; i < n; ++i) out[i] = p[i * sp] != 0 ? yes[i * sa] : no[i * sb];
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
