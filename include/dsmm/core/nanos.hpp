// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

namespace detail {

template <class D>
concept chrono_duration = requires(const D& d) {
  typename D::rep;
  d.count();
  D::period::num;
  D::period::den;
};

template <class D>
inline constexpr bool counts_reals = typename D::rep(0.5) != typename D::rep(0);

/// Loses nothing of a nanosecond: real numbers, or whole nanoseconds.
template <class D>
concept fine_duration = chrono_duration<D> &&
    (counts_reals<D> || (D::period::num == 1 && D::period::den == 1'000'000'000));

}  // namespace detail

/// A span of time, or a time since a clock's start. Converts from every std::chrono::duration and to those that lose
/// nothing, so that `options.deadline = 20ms` works, without <chrono>: that header costs a unit as much compile time as
/// all of this library's declarations.
class nanos {
public:
  constexpr nanos() noexcept = default;
  constexpr explicit nanos(std::int64_t count) noexcept : count_(count) {}
  /// Whole periods must be whole nanoseconds; fractions of one are cut off.
  template <detail::chrono_duration D>
  constexpr nanos(const D& d) noexcept {
    using rep = typename D::rep;
    static_assert(detail::counts_reals<D> || 1'000'000'000 % D::period::den == 0, "use std::chrono::duration_cast");
    if constexpr (detail::counts_reals<D>)
      count_ = static_cast<std::int64_t>(d.count() * rep(D::period::num) * (rep(1e9) / rep(D::period::den)));
    else count_ = static_cast<std::int64_t>(d.count()) * D::period::num * (1'000'000'000 / D::period::den);
  }

  constexpr std::int64_t count() const noexcept { return count_; }
  constexpr double milliseconds() const noexcept { return static_cast<double>(count_) * 1e-6; }
  template <detail::fine_duration D>
  constexpr operator D() const noexcept {
    using rep = typename D::rep;
    if constexpr (detail::counts_reals<D>)
      return D(static_cast<rep>(count_) / (rep(1e9) / rep(D::period::den)) / rep(D::period::num));
    else return D(static_cast<rep>(count_));
  }

  friend constexpr auto operator<=>(nanos, nanos) noexcept = default;
  friend constexpr bool operator==(nanos, nanos) noexcept = default;
  friend constexpr nanos operator+(nanos a, nanos b) noexcept { return nanos(a.count_ + b.count_); }
  friend constexpr nanos operator-(nanos a, nanos b) noexcept { return nanos(a.count_ - b.count_); }

private:
  std::int64_t count_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
