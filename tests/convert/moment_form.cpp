// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/moment_form.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "moment_case.hpp"

using namespace dsmm;
using namespace dsmm::convert;

namespace {

constexpr std::size_t n = 24;

moment_matrix correlated() { return moment_case::moments(n, 60, 2.0f, 11); }

std::vector<double> errors(const std::vector<double>& w, const std::vector<double>& step,
                           const std::vector<std::int8_t>& codes) {
  std::vector<double> e(n);
  for (std::size_t k = 0; k < n; ++k) e[k] = codes[k] * step[k] - w[k];
  return e;
}

double error(const moment_matrix& m, const std::vector<double>& w, const std::vector<double>& step,
             const std::vector<std::int8_t>& codes) {
  return moment_case::power(m, errors(w, step, codes));
}

std::vector<double> times(const quantize_impl::moment_form& form, const std::vector<double>& v) {
  std::vector<double> out(n, 0.0);
  const double* const from = v.data();
  double* const to = out.data();
  form.multiply({&from, 1}, {&to, 1});
  return out;
}

std::vector<double> slope_of(const quantize_impl::moment_form& form, const std::vector<double>& w,
                             const std::vector<double>& step, const std::vector<std::int8_t>& codes) {
  return times(form, errors(w, step, codes));
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
    const quantize_impl::moment_form::row row{w, step, codes};
    form.round({&row, 1}, -8, 7);
    const double babai = error(m, w, step, codes);
    std::vector<double> slope = slope_of(form, w, step, codes);
    form.descend(row, -8, 7, 100, slope);
    const std::vector<double> afresh = slope_of(form, w, step, codes);
    for (std::size_t k = 0; k < n; ++k) CHECK(slope[k] == doctest::Approx(afresh[k]).epsilon(1e-9));
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
  const std::vector<double> of_w = times(form, w);
  std::vector<double> slope = slope_of(form, w, std::vector<double>(n, 1.0), codes);
  const auto p = form.overlap(q, of_w, slope);
  CHECK(p.with_w / p.with_q == doctest::Approx(1.5));
  form.scale_steps(of_w, slope, 1.5);  // then q is w
  for (const double v : slope) CHECK(std::abs(v) < 1e-6);
}

TEST_CASE("rows rounded together get the codes of each alone") {
  const quantize_impl::moment_form form(correlated(), 0.01);
  rng r(13);
  constexpr std::size_t rows = 7;  // four and a rest
  std::vector<std::vector<double>> w(rows, std::vector<double>(n)), step(rows);
  std::vector<std::vector<std::int8_t>> codes(rows, std::vector<std::int8_t>(n));
  std::vector<quantize_impl::moment_form::row> together;
  for (std::size_t i = 0; i < rows; ++i) {
    for (double& v : w[i]) v = static_cast<double>(r.uniform(-0.8f, 0.8f));
    step[i].assign(n, 0.1 + 0.01 * static_cast<double>(i));
    together.push_back({w[i], step[i], codes[i]});
  }
  form.round(together, -8, 7);
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<std::int8_t> alone(n);
    const quantize_impl::moment_form::row row{w[i], step[i], alone};
    form.round({&row, 1}, -8, 7);
    CHECK(alone == codes[i]);
  }
}
