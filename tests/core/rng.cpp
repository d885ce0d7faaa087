// SPDX-License-Identifier: Apache-2.0
#include "dsmm/core/rng.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

TEST_CASE("rng draws the same values on every machine") {
  dsmm::rng random(42);
  CHECK(random.u64() == 5325586520621087924u);
  CHECK(random.u64() == 9223774745552856970u);
  CHECK(random.u32() == 1732196861u);
  CHECK(random.uniform() == 0x1.f0fcbp-2f);
  CHECK(random.normal() == -0x1.3350cp-4f);
  CHECK(random.below(1000) == 631);
  CHECK(dsmm::rng(42).at(1) == 9223774745552856970u);
  CHECK(dsmm::rng(42).stream(7).u64() == 12246038924580163940u);
}

TEST_CASE("a stream does not move its parent and differs from it") {
  dsmm::rng a(5), b(5);
  dsmm::rng child = a.stream(1);
  CHECK(child.u64() != b.at(0));
  CHECK(a.stream(1).u64() != a.stream(2).u64());
  CHECK(a.u64() == b.u64());
}

TEST_CASE("below is uniform and inside its range") {
  dsmm::rng random(6);
  std::array<int, 10> count{};
  for (int i = 0; i < 100'000; ++i) ++count.at(random.below(10));
  for (const int c : count) CHECK(std::abs(c - 10'000) < 500);  // five deviations
  for (int i = 0; i < 100; ++i) CHECK(random.below(1) == 0);
}

TEST_CASE("normal has the moments and the distribution function it claims") {
  constexpr int n = 200'000;
  dsmm::rng random(7);
  std::vector<double> x(n);
  for (double& v : x) v = random.normal();
  double m1 = 0, m2 = 0, m4 = 0;
  for (const double v : x) m1 += v, m2 += v * v, m4 += v * v * v * v;
  m1 /= n, m2 /= n, m4 /= n;
  CHECK(std::abs(m1) < 0.012);
  CHECK(std::abs(m2 - 1) < 0.015);
  CHECK(std::abs(m4 / (m2 * m2) - 2.97) < 0.06);
  std::sort(x.begin(), x.end());
  double distance = 0;
  for (int i = 0; i < n; ++i) {
    const double normal = 0.5 * std::erfc(-x[static_cast<std::size_t>(i)] / std::sqrt(2.0));
    distance = std::max(distance, std::abs(normal - (i + 0.5) / n));
  }
  CHECK(distance < 0.006);  // 0.0008 of the method and the spread of n draws
}

TEST_CASE("uniform stays inside its range") {
  dsmm::rng random(8);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const float v = random.uniform();
    REQUIRE(v >= 0.0f);
    REQUIRE(v < 1.0f);
    sum += v;
  }
  CHECK(std::abs(sum / 100'000 - 0.5) < 0.005);
  for (int i = 0; i < 1000; ++i) {
    const float v = random.uniform(-3.0f, 5.0f);
    REQUIRE(v >= -3.0f);
    REQUIRE(v <= 5.0f);
  }
}
