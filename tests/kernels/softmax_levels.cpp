// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/softmax_levels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("powers are e to the minus d steps in sixteen bits") {
  for (const float step : {1e-4f, 0.02f, 0.5f, 40.0f}) {
    const auto powers = k::softmax_powers(step);
    for (std::size_t d = 0; d < 256; ++d) {
      const double real = 65535.0 * std::exp(-static_cast<double>(step) * static_cast<double>(d));
      CHECK(std::fabs(powers[d] - real) < 0.51);
    }
  }
}

TEST_CASE("levels of a softmax are those of real arithmetic over rounded scores, or the next") {
  std::uint64_t hash = 0;
  constexpr float score_step = 0.021f;
  const auto powers = k::softmax_powers(score_step);
  for (const std::int32_t n : {1, 2, 31, 197, 1000})
    for (const std::int32_t zero : {0, 3}) {
      k::softmax_levels f;
      REQUIRE(dsmm::make_fixed_point(0.004, f.score));
      f.zero_score = 118;
      f.powers = powers.data();
      f.step = 1.0 / 255.0;
      f.zero = zero;
      dsmm::rng random(static_cast<std::uint64_t>(n));
      std::vector<std::int32_t> s(static_cast<std::size_t>(n));
      for (auto& v : s) v = static_cast<std::int32_t>(random.below(50000)) - 25000;
      std::vector<std::int32_t> scratch = s;
      std::vector<std::int16_t> p(s.size());
      k::softmax_rounded(scratch.data(), n, 7, f, p.data());
      std::vector<double> e;
      double total = 0.0;
      for (const auto v : s) {
        const double level = std::clamp(std::floor((v + 7) * 0.004 + 0.5) + 118, 0.0, 255.0);
        total += e.emplace_back(std::exp(static_cast<double>(score_step) * level));
      }
      for (std::size_t j = 0; j < s.size(); ++j) {
        const double real = std::clamp(e[j] / total * 255.0 + zero, 0.0, 255.0) - zero;
        CHECK(std::fabs(p[j] - real) < 0.51 + 0.002 * real);
      }
      hash = golden::hash(p, hash);
    }
  golden::check("softmax_levels", hash);
}

TEST_CASE("a score far above the others takes all, and equal ones share") {
  const auto powers = k::softmax_powers(1.0f);
  k::softmax_levels f;
  REQUIRE(dsmm::make_fixed_point(0.5, f.score));
  f.powers = powers.data();
  std::int32_t s[] = {0, 400, 0, 0};
  std::int16_t p[4];
  k::softmax_rounded(s, 4, 0, f, p);
  CHECK(p[1] == 255);
  CHECK(p[0] == 0);
  std::fill(s, s + 4, -1000);
  k::softmax_rounded(s, 4, 0, f, p);
  CHECK(std::all_of(p, p + 4, [](std::int16_t v) { return v == 64; }));
}
