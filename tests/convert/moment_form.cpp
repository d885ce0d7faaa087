// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/moment_form.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/core/rng.hpp"

using namespace dsmm;
using namespace dsmm::convert;

namespace {

constexpr std::size_t n = 24;

/// Moments of 60 rows that share a loud part, so that columns are strongly correlated.
moment_matrix correlated() {
  moment_matrix m{0, n, std::vector<double>(n * n, 0.0)};
  rng r(11);
  for (std::size_t i = 0; i < 60; ++i) {
    const auto shared = static_cast<double>(r.uniform(0.0f, 2.0f));
    std::vector<double> row(n);
    for (double& v : row) v = shared + static_cast<double>(r.uniform(0.0f, 1.0f));
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b <= a; ++b) m.m[a * n + b] += row[a] * row[b];
  }
  return m;
}

double error(const moment_matrix& m, const std::vector<double>& w, const std::vector<double>& step,
             const std::vector<std::int8_t>& codes) {
  double sum = 0;
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < n; ++b)
      sum += (codes[a] * step[a] - w[a]) * (codes[b] * step[b] - w[b]) * m.m[a < b ? b * n + a : a * n + b];
  return sum;
}

}  // namespace

TEST_CASE("rounding by moments beats the nearest codes, and descent leaves none that one move betters") {
  const moment_matrix m = correlated();
  const quantize_impl::moment_form form(m, 0.0);
  REQUIRE(form.usable());
  const std::vector<double> step(n, 0.125);
  rng r(12);
  for (std::size_t trial = 0; trial < 20; ++trial) {
    std::vector<double> w(n);
    for (double& v : w) v = static_cast<double>(r.uniform(-0.8f, 0.8f));
    w[3] = 0.0;
    std::vector<std::int8_t> nearest(n), codes(n);
    for (std::size_t k = 0; k < n; ++k) nearest[k] = static_cast<std::int8_t>(std::nearbyint(w[k] / step[k]));
    form.round(w, step, -8, 7, codes);
    const double babai = error(m, w, step, codes);
    auto products = form.start(w, step, codes);
    form.descend(w, step, -8, 7, 100, codes, products.slope);
    const auto afresh = form.start(w, step, codes);
    for (std::size_t k = 0; k < n; ++k) CHECK(products.slope[k] == doctest::Approx(afresh.slope[k]).epsilon(1e-9));
    const double reached = error(m, w, step, codes);
    CHECK(babai < error(m, w, step, nearest));
    CHECK(reached <= babai + 1e-9);
    CHECK(codes[3] == 0);
    for (std::size_t k = 0; k < n; ++k)
      for (const int by : {-1, 1}) {
        std::vector<std::int8_t> other = codes;
        other[k] = static_cast<std::int8_t>(other[k] + by);
        if (k != 3 && other[k] >= -8 && other[k] <= 7) CHECK(error(m, w, step, other) >= reached - 1e-6);
      }
  }
}

TEST_CASE("the overlap gives the factor of least error") {
  const moment_matrix m = correlated();
  const quantize_impl::moment_form form(m, 0.0);
  std::vector<double> w(n), q(n);
  std::vector<std::int8_t> codes(n);
  for (std::size_t k = 0; k < n; ++k) codes[k] = static_cast<std::int8_t>(k % 5), q[k] = codes[k], w[k] = 1.5 * q[k];
  auto products = form.start(w, std::vector<double>(n, 1.0), codes);
  const auto p = form.overlap(q, products);
  CHECK(p.with_w / p.with_q == doctest::Approx(1.5));
  form.scale_steps(products, 1.5);  // then q is w
  for (const double v : products.slope) CHECK(std::abs(v) < 1e-6);
}
