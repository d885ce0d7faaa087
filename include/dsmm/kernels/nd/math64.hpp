// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"

/// f64 functions with one result on every machine: fixed series, explicit fused multiply-adds, IEEE division and square
/// root, no C library. They serve f64 tensors, and f32 functions that are not worth a polynomial of their own. Errors
/// against the exact value are in tests/kernels/nd/math.cpp. Any NaN in gives the positive quiet NaN.
namespace dsmm::inline DSMM_ABI::kernels::nd::math64 {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

[[gnu::always_inline]] inline double fma(double a, double b, double c) noexcept { return __builtin_fma(a, b, c); }
[[gnu::always_inline]] inline double abs(double x) noexcept { return __builtin_fabs(x); }
[[gnu::always_inline]] inline double with_sign(double x, double sign) noexcept { return __builtin_copysign(x, sign); }

/// Horner's rule, the highest power first.
template <class... C>
[[gnu::always_inline]] inline double horner(double x, double first, C... rest) noexcept {
  double y = first;
  ((y = fma(y, x, rest)), ...);
  return y;
}

/// Nearest integer, ties to even.
[[gnu::always_inline]] inline double round(double x) noexcept {
  const double magnitude = abs(x);
  return magnitude < 0x1p52 ? with_sign(magnitude + 0x1p52 - 0x1p52, x) : x;
}
[[gnu::always_inline]] inline double floor(double x) noexcept {
  const double r = round(x);
  return r > x ? r - 1.0 : r;
}
[[gnu::always_inline]] inline double ceil(double x) noexcept {
  const double r = round(x);
  return r < x ? with_sign(r + 1.0, x) : r;
}
[[gnu::always_inline]] inline double trunc(double x) noexcept { return with_sign(floor(abs(x)), x); }

/// p * 2^n in two steps, |n| <= 2046.
[[gnu::always_inline]] inline double scale(double p, std::int64_t n) noexcept {
  const std::int64_t half = n >> 1;
  return p * std::bit_cast<double>((half + 1023) << 52) * std::bit_cast<double>((n - half + 1023) << 52);
}

/// e^r - 1 for |r| <= 0.35.
[[gnu::always_inline]] inline double expm1_small(double r) noexcept {
  const double q = horner(r, 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                          1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5);
  return fma(r * r, q, r);
}

inline double exp(double x) noexcept {
  if (x != x) return not_a_number;
  if (x > 710.0) return infinity;
  if (x < -746.0) return 0.0;
  const double n = round(x * 0x1.71547652b82fep+0);
  const double r = fma(n, -0x1.abc9e3b39803fp-56, fma(n, -0x1.62e42fefa39efp-1, x));
  return scale(1.0 + expm1_small(r), static_cast<std::int64_t>(n));
}

inline double expm1(double x) noexcept { return abs(x) <= 0.34 ? expm1_small(x) : exp(x) - 1.0; }

inline double log(double x) noexcept {
  if (!(x >= 0.0)) return not_a_number;
  if (x == 0.0) return -infinity;
  if (x == infinity) return infinity;
  std::int64_t e = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    e = -54;
  }
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::int64_t k = static_cast<std::int64_t>(bits - 0x3FE6'A09E'667F'3BCDu) >> 52;
  e += k;
  const double f =
      std::bit_cast<double>(bits - (static_cast<std::uint64_t>(k) << 52)) - 1.0;  // [sqrt(1/2)-1, sqrt(2)-1)
  const double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  const double r = z * horner(z, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11, 2.0 / 9, 2.0 / 7,
                              2.0 / 5, 2.0 / 3);
  const auto n = static_cast<double>(e);
  return fma(n, 0x1.62e42fefa39efp-1, f - (half - fma(s, half + r, n * 0x1.abc9e3b39803fp-56)));
}

inline double log1p(double x) noexcept {
  const double u = 1.0 + x;
  if (!(u > 0.0) || u == infinity) return log(u);
  return u == 1.0 ? x : log(u) * (x / (u - 1.0));
}

/// x = n pi / 2 + r, |r| <= pi / 4; exact to an ulp of r for |x| < 2^30, beyond that only the same everywhere.
struct quarter {
  double r;
  std::int64_t n;
};

[[gnu::always_inline]] inline quarter reduce(double x) noexcept {
  const double n = round(x * 0x1.45f306dc9c883p-1);
  double r = fma(n, -0x1.921fb54442d18p+0, x);
  r = fma(n, -0x1.1a62633145c07p-54, r);
  r = fma(n, 0x1.f1976b7ed8fbcp-110, r);
  const bool known = abs(n) < 0x1p62;
  return {known ? r : 0.0, known ? static_cast<std::int64_t>(n) : 0};
}

[[gnu::always_inline]] inline double sin_small(double r) noexcept {
  const double z = r * r;
  const double q = horner(z, 1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
                          1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6);
  return fma(r * z, q, r);
}
[[gnu::always_inline]] inline double cos_small(double r) noexcept {
  const double z = r * r;
  const double q = horner(z, -1.0 / 6402373705728000, 1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600,
                          -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5);
  return fma(z, q, 1.0);
}

[[gnu::always_inline]] inline double sin_of(quarter q) noexcept {
  const double y = (q.n & 1) != 0 ? cos_small(q.r) : sin_small(q.r);
  return (q.n & 2) != 0 ? -y : y;
}

inline double sin(double x) noexcept {
  if (!(abs(x) < infinity)) return not_a_number;
  return sin_of(reduce(x));
}
inline double cos(double x) noexcept {
  if (!(abs(x) < infinity)) return not_a_number;
  const quarter q = reduce(x);
  return sin_of({q.r, q.n + 1});
}
inline double tan(double x) noexcept {
  if (!(abs(x) < infinity)) return not_a_number;
  const quarter q = reduce(x);
  return sin_of(q) / sin_of({q.r, q.n + 1});
}

/// Around 0, 1/2, 1, 3/2 and infinity the rest is below 7/16, where 24 terms of the series are enough.
inline double atan(double x) noexcept {
  if (x != x) return not_a_number;
  const double a = abs(x);
  double base = 0.0, low = 0.0, t = a;
  if (a >= 2.4375) base = 0x1.921fb54442d18p+0, low = 0x1.1a62633145c07p-54, t = -1.0 / a;
  else if (a >= 1.1875) base = 0x1.f730bd281f69bp-1, low = 0x1.007887af0cbbdp-56, t = (a - 1.5) / fma(1.5, a, 1.0);
  else if (a >= 0.6875) base = 0x1.921fb54442d18p-1, low = 0x1.1a62633145c07p-55, t = (a - 1.0) / (a + 1.0);
  else if (a >= 0.4375) base = 0x1.dac670561bb4fp-2, low = 0x1.a2b7f222f65e2p-56, t = (2.0 * a - 1.0) / (2.0 + a);
  const double z = t * t;
  double q = 0.0;
  for (int k = 24; k >= 1; --k) q = fma(q, z, ((k & 1) != 0 ? -1.0 : 1.0) / (2 * k + 1));
  return with_sign(base + (fma(t * z, q, t) + low), x);
}

inline double asin(double x) noexcept {
  if (!(abs(x) <= 1.0)) return not_a_number;
  const double c = __builtin_sqrt((1.0 - x) * (1.0 + x));
  return c == 0.0 ? with_sign(0x1.921fb54442d18p+0, x) : atan(x / c);
}
inline double acos(double x) noexcept {
  if (!(abs(x) <= 1.0)) return not_a_number;
  return x == -1.0 ? 0x1.921fb54442d18p+1 : 2.0 * atan(__builtin_sqrt((1.0 - x) / (1.0 + x)));
}

inline double sinh(double x) noexcept {
  const double a = abs(x);
  if (a > 700.0) return with_sign(exp(0.5 * a) * (0.5 * exp(0.5 * a)), x) + (x - x);
  const double e = expm1(a);
  return x != x ? not_a_number : with_sign(0.5 * (e + e / (e + 1.0)), x);
}
inline double cosh(double x) noexcept {
  const double a = abs(x);
  if (a > 700.0) return exp(0.5 * a) * (0.5 * exp(0.5 * a));
  const double e = exp(a);
  return 0.5 * e + 0.5 / e;
}
inline double tanh(double x) noexcept {
  const double a = abs(x);
  if (x != x) return not_a_number;
  const double e = a > 22.0 ? 0.0 : expm1(2.0 * a);
  return with_sign(a > 22.0 ? 1.0 : e / (e + 2.0), x);
}
inline double asinh(double x) noexcept {
  const double a = abs(x);
  const double y = a > 0x1p28 ? log(a) + 0x1.62e42fefa39efp-1 : log1p(a + a * a / (1.0 + __builtin_sqrt(1.0 + a * a)));
  return x != x ? not_a_number : with_sign(y, x);
}
inline double acosh(double x) noexcept {
  if (!(x >= 1.0)) return not_a_number;
  if (x > 0x1p28) return log(x) + 0x1.62e42fefa39efp-1;
  const double t = x - 1.0;
  return log1p(t + __builtin_sqrt(2.0 * t + t * t));
}
inline double atanh(double x) noexcept {
  const double a = abs(x);
  if (!(a <= 1.0)) return not_a_number;
  return with_sign(0.5 * log1p(2.0 * a / (1.0 - a)), x);
}

/// Below 3 the series of positive terms, above it the continued fraction of the rest.
inline double erf(double x) noexcept {
  if (x != x) return not_a_number;
  const double a = abs(x);
  if (a >= 6.0) return with_sign(1.0, x);
  const double z = a * a;
  if (a < 3.0) {
    double term = a, sum = a;
    for (int k = 1; k <= 60; ++k) {
      term *= 2.0 * z / (2 * k + 1);
      sum += term;
    }
    return with_sign(sum * exp(-z) * 0x1.20dd750429b6dp+0, x);
  }
  double fraction = 0.0;
  for (int k = 60; k >= 1; --k) fraction = 0.5 * k / (a + fraction);
  return with_sign(1.0 - exp(-z) * 0x1.20dd750429b6dp-1 / (a + fraction), x);
}

/// x^y as IEEE has it, whole exponents of negative bases included; error a few ulps times |y log x|.
inline double pow(double x, double y) noexcept {
  if (y == 0.0 || x == 1.0) return 1.0;
  if (x != x || y != y) return not_a_number;
  const double a = abs(x);
  const bool whole = trunc(y) == y, odd = whole && abs(y) < 0x1p53 && trunc(0.5 * y) != 0.5 * y;
  if (abs(y) == infinity) return a == 1.0 ? 1.0 : (a > 1.0) == (y > 0.0) ? infinity : 0.0;
  if (a == 0.0 || a == infinity) {
    const double m = (a == 0.0) == (y > 0.0) ? 0.0 : infinity;
    return odd ? with_sign(m, x) : m;
  }
  if (x < 0.0 && !whole) return not_a_number;
  double m = 1.0;
  if (whole && abs(y) <= 64.0) {  // exact where the product is
    for (int k = static_cast<int>(abs(y)); k > 0; --k) m *= a;
    m = y < 0.0 ? 1.0 / m : m;
  } else {
    m = exp(y * log(a));
  }
  return odd && x < 0.0 ? -m : m;
}

/// The remainder of x / y with the sign of x, exact.
inline double fmod(double x, double y) noexcept {
  const double b = abs(y);
  if (!(abs(x) < infinity) || y != y || b == 0.0) return not_a_number;
  double a = abs(x);
  if (b == infinity || a < b) return x;
  const auto exponent = [](double v) {
    const auto field = [](double w) { return static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(w) >> 52); };
    return v < 0x1p-1022 ? field(v * 0x1p54) - 54 : field(v);
  };
  // Subtract y times the largest power of two that fits, until nothing fits: every step clears a bit, 2100 at most.
  while (a >= b) {
    const std::int64_t shift = exponent(a) - exponent(b);
    const double step = shift > 1000 ? scale(scale(b, 1000), shift - 1000) : scale(b, shift);
    a -= step <= a ? step : 0.5 * step;
  }
  return with_sign(a, x);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::math64
