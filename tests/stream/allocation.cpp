// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <vector>

#include "dsmm/stream/hop.hpp"
#include "dsmm/stream/join.hpp"
#include "tests/counted_new.hpp"

using namespace dsmm;
using namespace std::chrono_literals;

TEST_CASE("placing, joining and cutting allocate nothing, faults included") {
  sensor_description d;
  d.name = "a name that is longer than what a short string holds";
  d.rate = {10'000, 1};
  d.channels = 3;
  joiner join({.reorder = 20ms});
  REQUIRE(join.add(d));
  auto cutter = hop_cutter::make(256, 3);
  REQUIRE(cutter);
  const std::vector<float> samples(3 * 100, 1.f);
  std::size_t hops = 0;
  const long before = test::allocations;
  for (int i = 0; i < 2'000; ++i) {
    const int place = i % 17 == 3 ? i + 1 : i % 17 == 4 ? i - 1 : i % 50 == 49 ? i - 20 : i;
    join.sensor(0).place({place * 10ms, samples.data(), 100});
    if (i % 500 == 499) join.restart(0);
    const joined_frame frame = join.join(i * 10ms, join.decide(i * 10ms, 0ns, true), true);
    hops += cutter->consume(frame.sensors[0], [](std::int64_t, const float*) {}).hops;
  }
  CHECK(test::allocations == before);
  CHECK(hops > 500);
}
