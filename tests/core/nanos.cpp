// SPDX-License-Identifier: Apache-2.0
#include "dsmm/core/nanos.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <type_traits>

using namespace std::chrono_literals;
using dsmm::nanos;

TEST_CASE("every duration of <chrono> converts to nanoseconds exactly") {
  CHECK(nanos(50ms).count() == 50'000'000);
  CHECK(nanos(7ns).count() == 7);
  CHECK(nanos(2h).count() == 7'200'000'000'000);
  CHECK(nanos(std::chrono::duration<double, std::milli>(1.5)).count() == 1'500'000);
  CHECK(nanos(std::chrono::duration<int, std::ratio<1, 50>>(3)).count() == 60'000'000);
}

TEST_CASE("and back, where nothing is lost") {
  const nanos longest(std::numeric_limits<std::int64_t>::max());
  const std::chrono::nanoseconds back = longest;
  CHECK(back == std::chrono::nanoseconds::max());
  CHECK(std::chrono::duration<double, std::milli>(nanos(2'500'000)).count() == 2.5);
  CHECK_FALSE(std::is_convertible_v<nanos, std::chrono::milliseconds>);
}

TEST_CASE("they compare and add with durations") {
  nanos deadline = 20ms;
  CHECK(deadline > 19ms);
  CHECK(deadline + 1ms == 21ms);
  CHECK(deadline - nanos(30ms) < nanos{});
  CHECK(nanos(2'500'000).milliseconds() == 2.5);
}
