// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/row_attempts.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "moment_case.hpp"

using namespace dsmm;
using namespace dsmm::convert;

namespace {

constexpr std::size_t n = 20;

double error(const moment_matrix& m, const quantize_impl::row_attempt& a) {
  std::vector<double> e(n);
  for (std::size_t k = 0; k < n; ++k) e[k] = a.codes[k] * a.step(k) - a.w[k];
  return moment_case::power(m, e);
}

}  // namespace

TEST_CASE("attempts side by side get what each gets alone, and their error is that of the moments") {
  const moment_matrix m = moment_case::moments(n, 50, 0.0f, 5);
  const quantize_impl::moment_form form(m, 0.0);
  const std::array<const quantize_impl::moment_form*, 1> forms{&form};
  rng r(6);
  std::vector<std::vector<double>> w(3, std::vector<double>(n));
  for (auto& row : w)
    for (double& v : row) v = static_cast<double>(r.uniform(-1.0f, 1.0f));
  const std::vector<std::uint8_t> steps{16, 9};
  std::vector<quantize_impl::row_attempt> together;
  for (const auto& row : w)
    for (const float scale : {0.008f, 0.007f}) together.push_back({row, steps, 10, scale, 0.0075f});
  const std::vector<quantize_impl::row_attempt> before = together;
  quantize_impl::row_attempts(together, forms, -8, 7).run(true);
  for (std::size_t i = 0; i < together.size(); ++i) {
    std::vector<quantize_impl::row_attempt> alone{before[i]};
    quantize_impl::row_attempts(alone, forms, -8, 7).run(true);
    CHECK(alone[0].codes == together[i].codes);
    CHECK(alone[0].scale == together[i].scale);
    CHECK(alone[0].error == together[i].error);
    CHECK(together[i].error == doctest::Approx(error(m, together[i])).epsilon(1e-6));
  }
}

TEST_CASE("without moments the codes are the nearest, and the scale stays") {
  const std::vector<double> w{0.26, -0.24, 5.0, 0.0};
  std::vector<quantize_impl::row_attempt> rows{{w, {}, 0, 0.5f, 0.0f}};
  const std::array<const quantize_impl::moment_form*, 1> forms{nullptr};
  quantize_impl::row_attempts(rows, forms, -8, 7).run(true);
  CHECK(rows[0].codes == std::vector<std::int8_t>{1, 0, 7, 0});
  CHECK(rows[0].scale == 0.5f);
  CHECK(rows[0].error == 0.0);
}
