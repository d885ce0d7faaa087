// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <gst/base/gstbasetransform.h>

#include <algorithm>
#include <random>
#include <vector>

#include "dsmm/gst/infer_messages.hpp"
#include "dsmm/gst/infer_stats.hpp"

using namespace dsmm;
using namespace std::chrono_literals;

TEST_CASE("latency_histogram: percentiles are never too low and at most 1/16 too high") {
  std::mt19937_64 random(3);
  for (const int bits : {4, 10, 24, 40, 62}) {
    gst::latency_histogram h;
    std::vector<std::int64_t> all;
    for (int i = 0; i < 5000; ++i) {
      const auto ns = static_cast<std::int64_t>(random() >> (64 - bits));
      all.push_back(ns);
      h.add(std::chrono::nanoseconds(ns));
    }
    std::sort(all.begin(), all.end());
    for (const std::uint32_t p : {1u, 50u, 90u, 99u, 100u}) {
      const std::int64_t exact = all[all.size() * p / 100 - 1], found = h.percentile(p).count();
      CHECK(found >= exact);
      CHECK(found <= exact + exact / 16);
    }
    CHECK(h.max().count() == all.back());
    CHECK(h.count() == 5000);
  }
}

TEST_CASE("latency_histogram: empty, zero, negative and huge") {
  gst::latency_histogram h;
  CHECK(h.percentile(99) == 0ns);
  h.add(-5ns);
  CHECK(h.percentile(99) == 0ns);
  h.add(std::chrono::nanoseconds::max());
  CHECK(h.percentile(100) == std::chrono::nanoseconds::max());
}

TEST_CASE("message_limit: a burst, then its rate, and what was held back is counted") {
  gst::message_limit limit(10);
  int passed = 0;
  for (int i = 0; i < 1000; ++i) passed += limit.allow(std::chrono::milliseconds(i));  // one second, 1000 events
  CHECK(passed >= 19);
  CHECK(passed <= 20);
  CHECK(limit.take_held() == static_cast<std::uint64_t>(1000 - passed));
  CHECK(limit.take_held() == 0);
  passed = 0;
  for (int i = 0; i < 1000; ++i) passed += limit.allow(3600s + std::chrono::microseconds(i));
  CHECK(passed == 10);
}
