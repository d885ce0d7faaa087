// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/nd/math32.hpp"
#include "dsmm/kernels/nd/math64.hpp"

namespace {

namespace math32 = dsmm::kernels::nd::math32;
namespace math64 = dsmm::kernels::nd::math64;

/// Error in units in the last place of the exact result.
template <class T>
double ulps(T got, long double exact) {
  const auto rounded = static_cast<T>(exact);
  if (got == rounded || (got != got && rounded != rounded)) return 0.0;
  int exponent = 0;
  std::frexp(exact, &exponent);
  const int lowest = std::numeric_limits<T>::min_exponent;
  const long double unit = std::ldexp(1.0L, std::max(exponent, lowest) - std::numeric_limits<T>::digits);
  return static_cast<double>(std::fabs((static_cast<long double>(got) - exact) / unit));
}

/// The largest error over random arguments whose logarithm is uniform, of both signs, and over uniform ones.
template <class T, class F, class G>
double worst(F&& f, G&& exact, double low, double high) {
  dsmm::rng random(5);
  double error = 0.0;
  for (int i = 0; i < 40'000; ++i) {
    const double u = static_cast<double>(random.uniform(0.0f, 1.0f));
    double x = low + (high - low) * u;
    if (i % 2 == 0) {
      x = std::exp2(-30.0 + 30.0 * u) * (random.below(2) != 0 ? high : low);
      if (x < low || x > high) continue;
    }
    const auto argument = static_cast<T>(x);
    error = std::max(error, ulps(f(argument), exact(static_cast<long double>(argument))));
  }
  return error;
}

}  // namespace

TEST_CASE("f64 functions: largest error over random arguments") {
  const auto check = [](const char* name, double (*f)(double) noexcept, long double (*exact)(long double), double low,
                        double high, double bound) {
    const double error = worst<double>(f, exact, low, high);
    INFO(name);
    CHECK(error <= bound);
  };
  check("exp", math64::exp, std::exp, -700, 700, 1.0);
  check("expm1", math64::expm1, std::expm1, -30, 30, 4.0);
  check("log", math64::log, std::log, 1e-300, 1e300, 1.0);
  check("log1p", math64::log1p, std::log1p, -0.99, 100, 3.0);
  check("sin", math64::sin, std::sin, -1e6, 1e6, 1.5);
  check("cos", math64::cos, std::cos, -1e6, 1e6, 1.5);
  check("tan", math64::tan, std::tan, -1e3, 1e3, 3.0);
  check("asin", math64::asin, std::asin, -1, 1, 3.0);
  check("acos", math64::acos, std::acos, -1, 1, 4.0);
  check("atan", math64::atan, std::atan, -100, 100, 1.5);
  check("sinh", math64::sinh, std::sinh, -700, 700, 4.0);
  check("cosh", math64::cosh, std::cosh, -700, 700, 3.0);
  check("tanh", math64::tanh, std::tanh, -20, 20, 4.0);
  check("asinh", math64::asinh, std::asinh, -1e6, 1e6, 4.0);
  check("acosh", math64::acosh, std::acosh, 1, 1e6, 4.0);
  check("atanh", math64::atanh, std::atanh, -0.999, 0.999, 4.0);
  check("erf", math64::erf, std::erf, -6, 6, 12.0);
}

TEST_CASE("f32 functions: largest error over random arguments") {
  CHECK(worst<float>([](float x) { return math32::erf(x); }, [](long double x) { return std::erf(x); }, -5, 5) <= 2.5);
  CHECK(worst<float>([](float x) { return math32::expm1(x); }, [](long double x) { return std::expm1(x); }, -80, 80) <=
        4.0);
  CHECK(worst<float>([](float x) { return math32::softplus(x); }, [](long double x) { return std::log1p(std::exp(x)); },
                     -80, 80) <= 4.0);
  CHECK(worst<float>([](float x) { return math32::mish(x); },
                     [](long double x) { return x * std::tanh(std::log1p(std::exp(x))); }, -60, 60) <= 8.0);
  CHECK(worst<float>([](float x) { return static_cast<float>(math64::sin(static_cast<double>(x))); },
                     [](long double x) { return std::sin(x); }, -1e6, 1e6) <= 0.501);
}

TEST_CASE("rounding, ends and special values") {
  for (const float x : {-2.5f, -1.5f, -0.5f, -0.3f, 0.0f, 0.5f, 1.5f, 2.5f, 8388609.0f, 1e30f}) {
    CHECK(math32::round(x) == std::nearbyint(x));
    CHECK(math32::floor(x) == std::floor(x));
    CHECK(math32::ceil(x) == std::ceil(x));
    CHECK(math64::round(static_cast<double>(x)) == std::nearbyint(static_cast<double>(x)));
    CHECK(math64::floor(static_cast<double>(x)) == std::floor(static_cast<double>(x)));
    CHECK(math64::ceil(static_cast<double>(x)) == std::ceil(static_cast<double>(x)));
  }
  const double special[] = {
      0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, -3.0, 1e300, math64::infinity, -math64::infinity};
  for (const double x : special)
    for (const double y : special) {
      CAPTURE(x);
      CAPTURE(y);
      const double expected = std::pow(x, y), got = math64::pow(x, y);
      CHECK((got == expected || std::fabs(got / expected - 1.0) < 1e-13 || (got != got && expected != expected)));
      const double rest = std::fmod(x, y), own = math64::fmod(x, y);
      CHECK((own == rest || (own != own && rest != rest)));
    }
  CHECK(math64::fmod(1e300, 3.0) == std::fmod(1e300, 3.0));
  CHECK(math64::fmod(5.3, 5e-324) == std::fmod(5.3, 5e-324));
  CHECK(math64::log(-1.0) != math64::log(-1.0));
  CHECK(math64::exp(-800.0) == 0.0);
  CHECK(math64::exp(800.0) == math64::infinity);
}
