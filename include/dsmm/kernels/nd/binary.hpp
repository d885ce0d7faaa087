// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

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
    return static_cast<T>(b == T{-1} ? static_cast<T>(wrapping<T>{0} - static_cast<wrapping<T>>(a))
                                     : static_cast<T>(a / b));
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

constexpr bool is_question(binary_fn f) noexcept { return f >= binary_fn::equal && f <= binary_fn::less_equal; }
constexpr bool is_logic(binary_fn f) noexcept { return f >= binary_fn::logical_and && f <= binary_fn::logical_xor; }
constexpr bool is_bitwise(binary_fn f) noexcept { return f >= binary_fn::bit_and && f <= binary_fn::shift_right; }

/// One function of two elements.
template <binary_fn f, class T>
[[gnu::always_inline]] inline auto one(T a, T b) noexcept {
  using enum binary_fn;
  if constexpr (f == add) return plus(a, b);
  else if constexpr (f == sub) return minus(a, b);
  else if constexpr (f == mul) return times(a, b);
  else if constexpr (f == div) return quotient(a, b);
  else if constexpr (f == pow) return power(a, b);
  else if constexpr (f == min) return least(a, b);
  else if constexpr (f == max) return greatest(a, b);
  else if constexpr (f == mod) return modulo(a, b);
  else if constexpr (f == fmod) return remainder(a, b);
  else if constexpr (f == equal) return static_cast<std::uint8_t>(a == b);
  else if constexpr (f == greater) return static_cast<std::uint8_t>(a > b);
  else if constexpr (f == less) return static_cast<std::uint8_t>(a < b);
  else if constexpr (f == greater_equal) return static_cast<std::uint8_t>(a >= b);
  else if constexpr (f == less_equal) return static_cast<std::uint8_t>(a <= b);
  else if constexpr (f == logical_and || f == bit_and) return static_cast<T>(a & b);
  else if constexpr (f == logical_or || f == bit_or) return static_cast<T>(a | b);
  else if constexpr (f == logical_xor || f == bit_xor) return static_cast<T>(a ^ b);
  else if constexpr (f == shift_left) return shifted(a, b, true);
  else if constexpr (f == shift_right) return shifted(a, b, false);
  else return a < T{0} ? times(a, b) : a;
}

/// f over one run. Truth values become 0 and 1 first. f32 tells the compiler which steps are 0, that it vectorises;
/// other types stay short.
template <binary_fn f, class T, bool truth>
void run(const std::byte* left, std::int64_t step_a, const std::byte* right, std::int64_t step_b, std::byte* out,
         std::int64_t n) noexcept {
  const T* const a = reinterpret_cast<const T*>(left);
  const T* const b = reinterpret_cast<const T*>(right);
  auto* const y = reinterpret_cast<decltype(one<f>(T{}, T{}))*>(out);
  if constexpr (truth) {
    const auto bit = [](T v) { return static_cast<T>(v != 0); };
    for (std::int64_t i = 0; i < n; ++i) y[i] = one<f>(bit(a[i * step_a]), bit(b[i * step_b]));
  } else if constexpr (!std::is_same_v<T, float>) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = settled(one<f>(a[i * step_a], b[i * step_b]));
  } else {
    with_avx2([ a, step_a, b, step_b, y, n ]() __attribute__((always_inline)) {
      if (step_a != 0 && step_b != 0)
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(one<f>(a[i], b[i]));
      else if (step_a != 0)
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(one<f>(a[i], *b));
      else if (step_b != 0)
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(one<f>(*a, b[i]));
      else
        for (std::int64_t i = 0; i < n; ++i) y[i] = settled(one<f>(*a, *b));
    });
  }
}

/// The run of a function, or nullptr where it has no meaning for T.
template <binary_fn f, class T, bool truth>
constexpr run_function choose() noexcept {
  if constexpr (truth ? !is_logic(f) && f != binary_fn::equal
                      : is_logic(f) || (is_bitwise(f) && !std::is_integral_v<T>))
    return nullptr;
  else return &run<f, T, truth>;
}

template <class T, bool truth>
inline constexpr auto runs = []<std::size_t... f>(std::index_sequence<f...>) {
  return std::array<run_function, sizeof...(f)>{choose<static_cast<binary_fn>(f), T, truth>()...};
}
(std::make_index_sequence<static_cast<std::size_t>(binary_fn::count)>{});

inline run_function run_of(binary_fn f, dtype x) noexcept {
  const auto at = static_cast<std::size_t>(f);
  if (x == dtype::b8) return runs<std::uint8_t, true>[at];
  run_function found = nullptr;
  visit_numeric(x, [&]<class T>(T) { found = runs<T, false>[at]; });
  return found;
}

}  // namespace binary_impl

/// Attribute: function.
inline void nd_binary(const call& c) noexcept {
  const auto f = c.choice<binary_fn>(0);
  const view &a = c.in[0], &b = c.in[1], &y = c.out[0];
  const nest<2> loops = broadcast_nest(y, a, b);
  const binary_impl::run_function run = binary_impl::run_of(f, a.type);
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
