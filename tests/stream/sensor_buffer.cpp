// SPDX-License-Identifier: Apache-2.0
#include "dsmm/stream/sensor_buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace dsmm;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

sensor_description described(std::int32_t rate_hz, std::uint32_t channels = 1) {
  sensor_description d;
  d.name = "axis";
  d.rate = {rate_hz, 1};
  d.channels = channels;
  return d;
}

sensor_buffer buffer_of(const sensor_description& d, nanoseconds history = 1s, nanoseconds reorder = 0s) {
  auto made = sensor_buffer::make(d, history, reorder);
  REQUIRE(made);
  return std::move(*made);
}

/// A signal whose sample i is i, in every channel shifted by its number.
std::vector<float> counting(std::int64_t first, std::int64_t count, std::uint32_t channels = 1) {
  std::vector<float> v;
  for (std::int64_t i = first; i < first + count; ++i)
    for (std::uint32_t c = 0; c < channels; ++c) v.push_back(static_cast<float>(i) + 0.25f * static_cast<float>(c));
  return v;
}

void place(sensor_buffer& b, nanoseconds stamp, const std::vector<float>& v, bool discontinuity = false) {
  b.place({stamp, v.data(), v.size() / b.description().channels, discontinuity});
}

std::vector<float> read(const sensor_buffer& b, std::int64_t from, std::int64_t to) {
  const sensor_window w = b.window(b.time_of(to - 1), to - from);
  REQUIRE(w.first == from);
  return {w.samples, w.samples + w.count * b.description().channels};
}

}  // namespace

TEST_CASE("chunks of any size land one after the other") {
  std::mt19937 random(1);
  sensor_buffer b = buffer_of(described(20'000, 3));
  std::int64_t index = 0;
  while (index < 50'000) {
    const std::int64_t count = 1 + static_cast<std::int64_t>(random() % 700);
    place(b, 5s + sample_rate{20'000, 1}.duration(index), counting(index, count, 3));
    index += count;
    CHECK(b.settled() == index);
  }
  CHECK(read(b, index - 3'000, index) == counting(index - 3'000, 3'000, 3));
  CHECK(b.counts().placed == static_cast<std::uint64_t>(index));
  CHECK(b.counts().filled + b.counts().dropped + b.counts().invalid == 0);
}

TEST_CASE("a gap holds the last value, and is counted where it is") {
  sensor_buffer b = buffer_of(described(1'000));
  place(b, 0ms, counting(0, 10));
  place(b, 15ms, counting(15, 10));
  CHECK(b.settled() == 25);
  const auto v = read(b, 8, 17);
  CHECK(v == std::vector<float>{8, 9, 9, 9, 9, 9, 9, 15, 16});
  CHECK(b.window(24ms, 25).filled == 5);
  CHECK(b.window(24ms, 10).filled == 0);
  CHECK(b.window(24ms, 12).filled == 2);
  CHECK(b.window(12ms, 5).filled == 3);
  CHECK(*b.window(12ms, 5).newest == 9ms);
  CHECK(*b.window(24ms, 5).newest == 24ms);
}

TEST_CASE("late chunks fill their hole inside the reorder time, and are dropped after it") {
  sensor_buffer b = buffer_of(described(1'000), 1s, 20ms);
  place(b, 0ms, counting(0, 10));
  place(b, 20ms, counting(20, 10));
  CHECK(b.settled() == 10);
  place(b, 10ms, counting(10, 10));
  CHECK(b.settled() == 30);
  CHECK(read(b, 0, 30) == counting(0, 30));
  CHECK(b.counts().filled == 0);

  place(b, 40ms, counting(40, 10));
  place(b, 50ms, counting(50, 10));
  CHECK(b.settled() == 60);
  CHECK(b.counts().filled == 10);
  place(b, 30ms, counting(30, 10));
  CHECK(b.counts().dropped == 10);
  CHECK(read(b, 28, 41) == std::vector<float>{28, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 40});
}

TEST_CASE("duplicates and overlaps: the first sample stays") {
  sensor_buffer b = buffer_of(described(1'000));
  place(b, 0ms, counting(0, 10));
  place(b, 0ms, counting(100, 10));
  place(b, 5ms, counting(5, 10));
  CHECK(read(b, 0, 15) == counting(0, 15));
  CHECK(b.counts().dropped == 15);
}

TEST_CASE("a sample that waits behind a hole is not replaced either") {
  sensor_buffer b = buffer_of(described(1'000), 1s, 20ms);
  place(b, 0ms, counting(0, 10));
  place(b, 20ms, counting(20, 10));
  place(b, 20ms, counting(200, 10));
  place(b, 10ms, counting(10, 10));
  CHECK(read(b, 0, 30) == counting(0, 30));
  CHECK(b.counts().dropped == 10);
}

TEST_CASE("NaN and infinity read as the last good value") {
  sensor_buffer b = buffer_of(described(1'000, 2));
  auto v = counting(0, 6, 2);
  v[0] = std::numeric_limits<float>::quiet_NaN();
  v[5] = std::numeric_limits<float>::infinity();
  v[7] = -std::numeric_limits<float>::infinity();
  place(b, 0ms, v);
  const auto r = read(b, 0, 6);
  CHECK(r[0] == 0);
  CHECK(r[5] == r[3]);
  CHECK(r[7] == r[3]);
  CHECK(r[9] == v[9]);
  CHECK(b.window(5ms, 6).invalid == 3);
  CHECK(b.window(5ms, 2).invalid == 0);
  CHECK(b.counts().invalid == 3);
}

TEST_CASE("a crystal that is 500 ppm off tears nothing") {
  for (const std::int64_t ppm : {-500, 500}) {
    for (const std::int64_t count : {1, 20, 100, 4'096}) {
      CAPTURE(ppm);
      CAPTURE(count);
      sensor_buffer b = buffer_of(described(20'000));
      std::int64_t index = 0;
      nanoseconds stamp{};
      for (; index < 20'000 * 60; index += count) {
        stamp = nanoseconds(index * (50'000 + 50'000 * ppm / 1'000'000));
        place(b, stamp, counting(index, count));
      }
      CHECK(b.settled() == index);
      CHECK(b.counts().filled + b.counts().dropped == 0);
      const auto lag = b.time_of(index - count) - stamp;  // the grid follows the stamps
      CHECK(std::chrono::abs(lag) < 60us);
    }
  }
}

TEST_CASE("jitter of the stamps moves no sample") {
  std::mt19937 random(7);
  sensor_buffer b = buffer_of(described(10'000));
  for (std::int64_t index = 0; index < 300'000; index += 50)
    place(b, 1s + index * 100us + nanoseconds(static_cast<std::int64_t>(random() % 2'000'000) - 1'000'000),
          counting(index, 50));
  CHECK(b.settled() == 300'000);
  CHECK(b.counts().filled == 0);
}

TEST_CASE("a discontinuity is taken literally") {
  sensor_buffer b = buffer_of(described(1'000));
  place(b, 0ms, counting(0, 10));
  place(b, 11ms, counting(11, 10), true);
  CHECK(b.counts().filled == 1);
  CHECK(read(b, 9, 13) == std::vector<float>{9, 9, 11, 12});
}

TEST_CASE("one wild stamp ends nothing, a confirmed jump is followed") {
  sensor_buffer b = buffer_of(described(1'000));
  place(b, 0ms, counting(0, 10));
  place(b, 400h, counting(0, 10));
  place(b, nanoseconds::max(), counting(0, 10));
  place(b, 10ms, counting(10, 10));
  CHECK(b.settled() == 20);
  CHECK(b.counts().rejected == 2);

  place(b, 1h, counting(0, 10));
  place(b, 1h + 10ms, counting(30, 10));
  CHECK(b.settled() == 3'600'020);
  CHECK(b.window(1h + 19ms, 10).samples[0] == 30);
  CHECK(b.window(1h + 19ms, 10).filled == 0);
  CHECK(b.counts().filled == 3'599'990);

  place(b, 5s, counting(50, 10));  // the source's clock begins again
  place(b, 5s + 10ms, counting(60, 10));
  CHECK(b.counts().restarts == 1);
  const sensor_window w = b.window(5s + 19ms, 100);
  CHECK(w.first == 3'600'021);
  CHECK(w.count == 10);
  CHECK(w.samples[0] == 60);
}

TEST_CASE("indices go beyond 2^32") {
  sensor_description d = described(1'000'000);
  d.max_gap = 24h * 365;
  auto made = sensor_buffer::make(d, 10ms, 0s, (std::int64_t{1} << 32) - 500);
  REQUIRE(made);
  sensor_buffer& b = *made;
  const nanoseconds start = 24h * 1'000;
  for (std::int64_t i = 0; i < 2'000; i += 10) place(b, start + i * 1us, counting(i, 10));
  CHECK(b.settled() == (std::int64_t{1} << 32) + 1'500);
  const auto w = b.window(start + 1'999us, 1'000);
  CHECK(std::vector<float>(w.samples, w.samples + w.count) == counting(1'000, 1'000));
}

TEST_CASE("an irregular sensor holds its value and confirms it with a gap") {
  sensor_description d = described(10);
  d.sampling = sampling::irregular;
  sensor_buffer b = buffer_of(d, 10s);
  place(b, 0ms, {20.f});
  place(b, 730ms, {21.f});  // cell 7
  CHECK(read(b, 5, 8) == std::vector<float>{20, 20, 21});
  place(b, 740ms, {22.f});  // the same cell: holds from the next one on
  b.extend(1s + 1ns);
  CHECK(read(b, 7, 11) == std::vector<float>{21, 22, 22, 22});
  CHECK(b.counts().filled == 0);
  CHECK(*b.window(1s, 1).newest == 700ms);
  b.gap(2s);
  CHECK(*b.window(2s, 1).newest == 1900ms);
  place(b, 100ms, {99.f});  // older than what is known
  b.gap(3s);
  CHECK(read(b, 29, 30) == std::vector<float>{22});
}

TEST_CASE("a gap of a regular sensor counts as missing") {
  sensor_buffer b = buffer_of(described(1'000));
  place(b, 0ms, counting(0, 10));
  b.gap(30ms);
  place(b, 30ms, counting(30, 10));
  CHECK(b.counts().filled == 20);
  CHECK(b.counts().dropped == 0);
  CHECK(b.settled() == 40);
}

TEST_CASE("what was pushed out is not shown") {
  sensor_buffer b = buffer_of(described(1'000), 100ms);
  for (std::int64_t i = 0; i < 1'000; i += 10) place(b, i * 1ms, counting(i, 10));
  const sensor_window early = b.window(10ms, 10);
  CHECK(early.count == 0);
  CHECK(early.cut);
  const sensor_window part = b.window(b.time_of(b.begin() + 4), 10);
  CHECK(part.count == 5);
  CHECK(part.cut);
  CHECK_FALSE(b.window(999ms, 100).cut);
}

TEST_CASE("refuses what cannot work") {
  CHECK(sensor_buffer::make(described(0), 1s).error().code == errc::bad_value);
  CHECK(sensor_buffer::make(described(100, 0), 1s).error().code == errc::bad_value);
  CHECK(sensor_buffer::make(described(100), 0s).error().code == errc::bad_value);
  CHECK(sensor_buffer::make(described(2'000'000'000, 4'000), 1h).error().code == errc::too_large);
}
