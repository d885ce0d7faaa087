// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/softmax_int.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("the exponential table against double, its domain and its end") {
  for (std::int32_t t = 0; t < 256; ++t) CHECK(k::exp2_q16(t) == std::llround(65536.0 * std::exp2(-t / 256.0)));
  for (std::int32_t t = 1; t < 6000; ++t) CHECK(k::exp2_q16(t) <= k::exp2_q16(t - 1));
  CHECK(k::exp2_q16(16 * 256) == 1);
  CHECK(k::exp2_q16(17 * 256) == 0);
  CHECK(k::exp2_q16(0x7FFF'FFFF) == 0);
}

TEST_CASE("probabilities: close to the real softmax, sum to 2^14, any scores") {
  std::uint64_t hash = 0;
  dsmm::fixed_point factor;
  const double octaves = 0.0007;
  REQUIRE(k::make_softmax_factor(octaves, factor));
  for (const std::int32_t n : {1, 2, 3, 16, 127, 1000}) {
    dsmm::rng random(static_cast<std::uint64_t>(n));
    std::vector<std::int32_t> s(static_cast<std::size_t>(n));
    for (auto& v : s) v = static_cast<std::int32_t>(random.below(20000)) - 10000;
    std::vector<std::int32_t> scratch = s;
    std::vector<std::int16_t> p(s.size());
    k::softmax_q14(scratch.data(), n, factor, p.data());
    double total = 0.0, sum = 0.0, worst = 0.0;
    for (const auto v : s) total += std::exp2(octaves * v);
    for (std::size_t j = 0; j < s.size(); ++j) {
      const double exact = 16384.0 * std::exp2(octaves * s[j]) / total;
      worst = std::max(worst, std::fabs(p[j] - exact) - 0.003 * exact);  // half a step of 2^-8 octaves, both ways
      sum += p[j];
    }
    CHECK(worst < 0.51);
    CHECK(std::fabs(sum - 16384.0) <= n / 2.0 + 1.0);
    hash = golden::hash(p, hash);
  }
  golden::check("softmax_int", hash);
}

TEST_CASE("extreme scores neither overflow nor lose the maximum") {
  dsmm::fixed_point factor;
  for (const double octaves : {0x1p-36, 1e-6, 0.062}) {
    REQUIRE(k::make_softmax_factor(octaves, factor));
    std::int32_t s[] = {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(), 0};
    std::int16_t p[3];
    k::softmax_q14(s, 3, factor, p);
    CHECK(p[1] >= p[0]);
    CHECK(p[1] >= p[2]);
    CHECK(p[0] + p[1] + p[2] >= 16383);
    CHECK(p[0] + p[1] + p[2] <= 16386);
    if (octaves == 0.062) CHECK(p[1] == 16384);
  }
  CHECK_FALSE(k::make_softmax_factor(0.0625, factor));
  CHECK_FALSE(k::make_softmax_factor(0x1p-37, factor));
  CHECK_FALSE(k::make_softmax_factor(NAN, factor));
}
