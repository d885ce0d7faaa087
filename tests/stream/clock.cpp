// SPDX-License-Identifier: Apache-2.0
#include "dsmm/stream/clock.hpp"

#include <doctest/doctest.h>

using namespace dsmm;
using namespace std::chrono_literals;

TEST_CASE("the steady clock goes forward, the manual one where it is told") {
  const dsmm::steady_clock machine;
  const auto before = machine.now();
  CHECK(machine.now() >= before);
  manual_clock clock(5ms);
  clock.advance(2ms);
  CHECK(clock.now() == 7ms);
  clock.set(1h);
  CHECK(clock.now() == 1h);
}
