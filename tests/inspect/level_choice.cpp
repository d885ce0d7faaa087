// SPDX-License-Identifier: Apache-2.0
#include "dsmm/inspect/level_choice.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

#include "dsmm/core/rng.hpp"

using namespace std::chrono_literals;

namespace {

/// Three levels that take 20, 8 and 2 ms.
dsmm::level_choice measured() {
  dsmm::level_choice c(3, 10);
  for (int i = 0; i < 10; ++i) {
    c.record(0, 20ms - 100us * i);
    c.record(1, 8ms - 50us * i);
    c.record(2, 2ms - 10us * i);
  }
  return c;
}

}  // namespace

TEST_CASE("the largest level whose worst time fits is chosen, and the smallest where none does") {
  const dsmm::level_choice c = measured();
  CHECK(c.choose(25ms).level == 0);
  CHECK(c.choose(20ms).level == 0);
  CHECK(c.choose(19999us).level == 1);
  CHECK(c.choose(7ms).level == 2);
  CHECK(c.choose(7ms).fits);
  CHECK(c.choose(1ms).level == 2);
  CHECK_FALSE(c.choose(1ms).fits);
  CHECK_FALSE(c.choose(-1ms).fits);
}

TEST_CASE("under load the level drops, though only the small one runs it comes back when the load ends") {
  dsmm::level_choice c = measured();
  c.record(0, 31ms);  // one slow run is enough
  CHECK(c.choose(25ms).level == 1);
  for (std::uint32_t i = 0; i < dsmm::level_choice::window; ++i) c.record(1, 16ms);
  CHECK(c.choose(25ms).level == 1);
  CHECK(c.choose(15ms).level == 2);
  for (std::uint32_t i = 0; i < dsmm::level_choice::window; ++i) c.record(2, 2ms);
  CHECK(c.choose(25ms).level == 0);
}

TEST_CASE("nothing unmeasured is chosen, and nonsense is ignored") {
  dsmm::level_choice c(2);
  CHECK_FALSE(c.choose(1h).fits);
  CHECK(c.choose(1h).level == 1);
  c.record(1, 3ms);
  CHECK(c.choose(1h).level == 1);
  CHECK(c.choose(1h).fits);
  c.record(7, 1h);
  CHECK(c.expected(1) == 3ms);
}

TEST_CASE("a simulated line with bursts of load is late only in the first run of a burst") {
  dsmm::level_choice c = measured();
  dsmm::rng random(3);
  const double calm[] = {20, 8, 2};
  int late = 0, bursts = 0, large = 0;
  double load = 1;
  for (int frame = 0; frame < 20'000; ++frame) {
    if (frame % 500 == 400) load = 2.4, ++bursts;
    if (frame % 500 == 0) load = 1;
    const auto level = c.choose(21ms).level;
    const double ms = calm[level] * load * static_cast<double>(random.uniform(0.9f, 1.0f));
    late += ms > 21;
    large += level == 0;
    c.record(level, std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6)));
  }
  CHECK(late <= bursts);
  CHECK(large > 20'000 * 6 / 10);
}
