// SPDX-License-Identifier: Apache-2.0
#include "dsmm/stream/hop.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace dsmm;

namespace {

/// Samples [first, first + count) of a signal whose value is its index.
sensor_span span_of(const std::vector<float>& signal, std::int64_t first, std::size_t count) {
  sensor_span s;
  s.channels = 1;
  s.first_index = first;
  s.count = count;
  s.samples = signal.data() + first;
  return s;
}

}  // namespace

TEST_CASE("spans that overlap, abut or are shorter than a hop give each sample once") {
  std::vector<float> signal(1'000);
  std::iota(signal.begin(), signal.end(), 0.f);
  auto cutter = hop_cutter::make(16, 1);
  REQUIRE(cutter);
  std::vector<float> taken;
  const auto take = [&](std::int64_t first, const float* v) {
    CHECK(first % 16 == 0);
    taken.insert(taken.end(), v, v + 16);
  };
  CHECK(cutter->consume(span_of(signal, 0, 5), take).hops == 0);
  CHECK(cutter->consume(span_of(signal, 3, 5), take).hops == 0);
  CHECK(cutter->consume(span_of(signal, 8, 8), take).hops == 1);
  CHECK(cutter->consume(span_of(signal, 0, 100), take).hops == 5);
  CHECK(cutter->consume(span_of(signal, 0, 100), take).hops == 0);
  CHECK(cutter->consume(span_of(signal, 40, 60), take).hops == 0);
  CHECK(cutter->consume(span_of(signal, 100, 900), take).hops == 56);
  REQUIRE(taken.size() == 62 * 16);
  CHECK(std::equal(taken.begin(), taken.end(), signal.begin()));
}

TEST_CASE("a step of the index is reported, and hops stay on the absolute grid") {
  std::vector<float> signal(1'000);
  std::iota(signal.begin(), signal.end(), 0.f);
  auto cutter = hop_cutter::make(10, 1);
  REQUIRE(cutter);
  std::vector<std::int64_t> firsts;
  const auto take = [&](std::int64_t first, const float* v) {
    CHECK(v[0] == static_cast<float>(first));
    firsts.push_back(first);
  };
  CHECK(cutter->consume(span_of(signal, 13, 24), take).skipped == 0);  // begins in the middle of a hop
  CHECK(firsts == std::vector<std::int64_t>{20});
  const hop_report report = cutter->consume(span_of(signal, 55, 20), take);
  CHECK(report.skipped == 30);  // 30..59: the unfinished hop is lost with the rest
  CHECK(firsts == std::vector<std::int64_t>{20, 60});
  CHECK(cutter->consume(span_of(signal, 70, 3), take).skipped == 0);
  CHECK(cutter->consume(span_of(signal, 101, 3), take).skipped == 40);
  CHECK(cutter->consume(span_of(signal, 101, 29), take).hops == 2);
  CHECK(firsts == std::vector<std::int64_t>{20, 60, 110, 120});
}

TEST_CASE("refuses an empty hop") {
  CHECK(hop_cutter::make(0, 1).error().code == errc::bad_value);
  CHECK(hop_cutter::make(1, 0).error().code == errc::bad_value);
}
