// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/narrow_float.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Conversions between all element types.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// Narrow floats to f32.
inline void widen_all(const view& x, float* y, std::int64_t begin, std::int64_t end) noexcept {
  const narrow_format f = narrow_format_of(x.type);
  if (size_of(x.type) == 2)
    for (std::int64_t i = begin; i < end; ++i) y[i] = widen(x.as<const std::uint16_t>()[i], f);
  else
    for (std::int64_t i = begin; i < end; ++i) y[i] = widen(x.as<const std::uint8_t>()[i], f);
}

/// f32 to narrow floats, each rounded once.
inline void narrow_all(const float* x, const view& y, std::int64_t begin, std::int64_t end, bool saturate) noexcept {
  const narrow_format f = narrow_format_of(y.type);
  if (size_of(y.type) == 2)
    for (std::int64_t i = begin; i < end; ++i)
      y.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(narrow(x[i], f, saturate));
  else
    for (std::int64_t i = begin; i < end; ++i)
      y.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(narrow(x[i], f, saturate));
}

/// f64 to f32 so that a second rounding to a narrow float gives what one would: round to odd.
inline float to_odd(double x) noexcept {
  const float y = static_cast<float>(x);
  const auto back = static_cast<double>(y);
  if (back == x || x != x || math64::abs(x) > 3e38) return y;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(y);
  if (math64::abs(back) > math64::abs(x)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

/// A float to an integer: towards zero, NaN gives 0, values outside the type its nearest end.
template <class To, class From>
To to_integer(From x) noexcept {
  constexpr double limit = static_cast<double>(std::uint64_t{1} << 63);
  const auto v = static_cast<double>(x);
  if (v != v) return To{0};
  if constexpr (std::is_signed_v<To>) {
    if (v >= static_cast<double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    if (v <= static_cast<double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(v);
  } else {
    if (v <= 0.0) return To{0};
    if (v >= static_cast<double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(v >= limit ? static_cast<std::uint64_t>(v - limit) | std::uint64_t{1} << 63
                                      : static_cast<std::uint64_t>(v));
  }
}

template <class To, class From>
To convert(From x) noexcept {
  if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) return to_integer<To>(x);
  else return static_cast<To>(x);
}

/// Attribute: saturate, for f8 only. Integers wrap; 4-bit integers keep the low bits; anything but 0 is true.
inline void nd_cast(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const bool saturate = c.attribute(0) != 0 && size_of(y.type) == 1;
  const auto store = [&]<class T>(const T* from, std::int64_t begin, std::int64_t end) {
    if (is_narrow_float(y.type)) {
      const narrow_format f = narrow_format_of(y.type);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::uint32_t bits = narrow(to_odd(static_cast<double>(from[i - begin])), f, saturate);
        if (size_of(y.type) == 2) y.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(bits);
        else y.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(bits);
      }
    } else if (y.type == dtype::b8) {
      for (std::int64_t i = begin; i < end; ++i) y.as<std::uint8_t>()[i] = from[i - begin] != T{0};
    } else if (y.type == dtype::u4) {
      for (std::int64_t i = begin; i < end; ++i)
        y.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(convert<std::int64_t>(from[i - begin]) & 15);
    } else if (y.type == dtype::s4) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto low = static_cast<std::int32_t>(convert<std::int64_t>(from[i - begin]) & 15);
        y.as<std::int8_t>()[i] = static_cast<std::int8_t>((low ^ 8) - 8);
      }
    } else {
      visit_numeric(y.type, [&]<class To>(To) {
        for (std::int64_t i = begin; i < end; ++i) y.as<To>()[i] = convert<To>(from[i - begin]);
      });
    }
  };
  for_runs(c.exec, x.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
    if (is_narrow_float(x.type)) {
      float wide[256];
      for (std::int64_t at = begin; at < end; at += 256) {
        const std::int64_t stop = std::min<std::int64_t>(at + 256, end);
        view part = x;
        part.data += at * static_cast<std::int64_t>(size_of(x.type));
        widen_all(part, wide, 0, stop - at);
        store(static_cast<const float*>(wide), at, stop);
      }
      return;
    }
    if (x.type == dtype::s4) return store(x.as<const std::int8_t>() + begin, begin, end);
    if (x.type == dtype::b8) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::uint8_t truth = x.as<const std::uint8_t>()[i] != 0;
        store(&truth, i, i + 1);
      }
      return;
    }
    visit_numeric(x.type, [&]<class From>(From) { store(x.as<const From>() + begin, begin, end); });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
