// SPDX-License-Identifier: Apache-2.0
#include "dsmm/stream/join.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "dsmm/stream/hop.hpp"

using namespace dsmm;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

sensor_description described(const char* name, std::int32_t rate_hz, std::uint32_t channels = 1) {
  sensor_description d;
  d.name = name;
  d.rate = {rate_hz, 1};
  d.channels = channels;
  return d;
}

struct arrival {
  nanoseconds stamp;
  std::vector<float> samples;  // (count, channels)
  bool discontinuity = false;
};

/// A recording as it reaches the line: random chunks, and of these some lost, doubled, swapped or damaged.
struct recording {
  std::vector<arrival> chunks;
  std::vector<float> truth;    // what is on the grid, whatever the order of arrival; lost samples hold the last value
  std::int64_t last_kept = 0;  // one after the newest sample that was sent
};

struct faults {
  std::int64_t ppm = 0;
  double lost = 0, doubled = 0, swapped = 0, invalid = 0;
};

recording record(std::mt19937& random, std::int64_t samples, std::uint32_t channels, const faults& f) {
  recording r;
  std::uniform_real_distribution<double> dice(0, 1);
  std::vector<bool> sent(static_cast<std::size_t>(samples));
  std::vector<float> raw;
  for (std::int64_t i = 0; i < samples * channels; ++i) {
    raw.push_back(static_cast<float>(random()) * 1e-6f);
    if (dice(random) < f.invalid) raw.back() = std::numeric_limits<float>::quiet_NaN();
  }
  std::int64_t index = 0;
  while (index < samples) {
    const std::int64_t count = std::min<std::int64_t>(1 + static_cast<std::int64_t>(random() % 200), samples - index);
    if (index == 0 || dice(random) >= f.lost) {
      const auto from = raw.begin() + index * channels;
      r.chunks.push_back({nanoseconds(2s) + nanoseconds(index * (50'000 + 50'000 * f.ppm / 1'000'000)),
                          {from, from + count * channels}});
      if (dice(random) < f.doubled) r.chunks.push_back(r.chunks.back());
      std::fill_n(sent.begin() + index, count, true);
      r.last_kept = index + count;
    }
    index += count;
  }
  for (std::size_t i = 2; i + 1 < r.chunks.size(); ++i)
    if (dice(random) < f.swapped) std::swap(r.chunks[i], r.chunks[i + 1]), ++i;
  std::vector<float> held(channels, 0.f);
  for (std::int64_t i = 0; i < r.last_kept; ++i)
    for (std::uint32_t c = 0; c < channels; ++c) {
      const float v = raw[static_cast<std::size_t>(i * channels + c)];
      if (sent[static_cast<std::size_t>(i)] && std::isfinite(v)) held[c] = v;
      r.truth.push_back(held[c]);
    }
  return r;
}

/// Sends the recording while frames come at random times; returns what a consumer of the spans took, sample by sample.
std::vector<float> play(std::mt19937& random, const recording& r, std::uint32_t channels, nanoseconds reorder,
                        std::uint32_t hop) {
  joiner join({.window = 200ms, .max_skew = 1s, .max_wait = 20ms, .reorder = reorder});
  sensor_description d = described("s", 20'000, channels);
  d.max_jitter = 40us;  // chunks of a few samples may be lost: these stamps are taken at their word
  REQUIRE(join.add(d));
  auto cutter = hop_cutter::make(hop, channels);
  REQUIRE(cutter);
  std::vector<float> taken;
  nanoseconds frame = 2s;
  for (const arrival& chunk : r.chunks) {
    join.sensor(0).place({chunk.stamp, chunk.samples.data(), chunk.samples.size() / channels, chunk.discontinuity});
    while (join.decide(frame, 0ns, true) == join_step::ready) {
      const joined_frame joined = join.join(frame, join_step::ready, true);
      const hop_report report = cutter->consume(joined.sensors[0], [&](std::int64_t first, const float* v) {
        REQUIRE(first == static_cast<std::int64_t>(taken.size() / channels));
        taken.insert(taken.end(), v, v + hop * channels);
      });
      REQUIRE(report.skipped == 0);
      frame += nanoseconds(static_cast<std::int64_t>(random()) % 90'000'000);
    }
  }
  return taken;
}

}  // namespace

TEST_CASE("what frames deliver piece by piece is the recording, bit for bit") {
  struct row {
    const char* name;
    faults f;
    nanoseconds reorder;
  };
  const row rows[] = {
      {"clean", {}, 0ms},
      {"lost", {.lost = 0.1}, 0ms},
      {"doubled", {.doubled = 0.2}, 0ms},
      {"not a number", {.invalid = 0.05}, 0ms},
      {"+500 ppm", {.ppm = 500}, 0ms},
      {"-500 ppm", {.ppm = -500}, 0ms},
      {"swapped", {.swapped = 0.3}, 40ms},
      {"all", {.lost = 0.05, .doubled = 0.1, .swapped = 0.2, .invalid = 0.02}, 40ms},
      {"all and drift", {.ppm = 300, .lost = 0.05, .doubled = 0.1, .swapped = 0.2, .invalid = 0.02}, 40ms},
  };
  for (const row& r : rows) {
    for (unsigned seed = 0; seed < 6; ++seed) {
      CAPTURE(r.name);
      CAPTURE(seed);
      std::mt19937 random(seed);
      const std::uint32_t channels = 1 + seed % 3;
      const recording sent = record(random, 60'000, channels, r.f);
      const std::vector<float> taken = play(random, sent, channels, r.reorder, 256 + seed * 37);
      REQUIRE(taken.size() > sent.truth.size() * 8 / 10);
      REQUIRE(taken.size() <= sent.truth.size());
      CHECK(std::equal(taken.begin(), taken.end(), sent.truth.begin()));
    }
  }
}

TEST_CASE("frames at other times take the same samples") {
  std::mt19937 random(11);  // chunks later than the reorder time too: what is dropped must not depend on the frames
  const recording sent = record(random, 60'000, 2, {.lost = 0.05, .swapped = 0.5, .invalid = 0.01});
  std::mt19937 a(1), b(2);
  const auto first = play(a, sent, 2, 2ms, 320), second = play(b, sent, 2, 2ms, 320);
  const std::size_t both = std::min(first.size(), second.size());
  REQUIRE(both > 80'000);
  CHECK(std::equal(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(both), second.begin()));
}

TEST_CASE("a frame waits for its samples, and not longer than allowed") {
  joiner join({.window = 100ms, .max_wait = 20ms});
  REQUIRE(join.add(described("fast", 1'000)));
  std::vector<float> v(10, 1.f);
  join.sensor(0).place({0ms, v.data(), 10});
  CHECK(join.decide(9ms, 0ns, true) == join_step::ready);
  CHECK(join.decide(10ms, 0ns, true) == join_step::wait);
  CHECK(join.decide(10ms, 19ms, true) == join_step::wait);
  CHECK(join.decide(10ms, 20ms, true) == join_step::timed_out);
  const joined_frame frame = join.join(10ms, join_step::timed_out, true);
  CHECK(frame.timed_out);
  CHECK(frame.complete);  // 1 ms old is not too old
  CHECK(frame.sensors[0].age == 1ms);
  CHECK(frame.sensors[0].count == 10);
}

TEST_CASE("a dead sensor costs one wait") {
  joiner join({.window = 100ms, .max_wait = 20ms});
  REQUIRE(join.add(described("fast", 1'000)));
  CHECK(join.decide(0ms, 0ns, true) == join_step::wait);
  joined_frame frame = join.join(0ms, join_step::timed_out, true);
  CHECK_FALSE(frame.complete);
  CHECK(frame.sensors[0].health == sensor_health::dead);
  CHECK(frame.sensors[0].count == 0);
  CHECK(join.decide(40ms, 0ns, true) == join_step::ready);

  std::vector<float> v(100, 1.f);  // it comes to life
  join.sensor(0).place({0ms, v.data(), 100});
  CHECK(join.decide(80ms, 0ns, true) == join_step::ready);
  CHECK(join.join(80ms, join_step::ready, true).complete);
  CHECK(join.decide(120ms, 0ns, true) == join_step::wait);  // trusted again
  frame = join.join(120ms, join_step::timed_out, true);
  CHECK(frame.sensors[0].health == sensor_health::good);
  CHECK(join.decide(160ms, 0ns, true) == join_step::ready);
  CHECK(join.join(160ms, join_step::ready, true).sensors[0].health == sensor_health::late);
  frame = join.join(1200ms, join_step::ready, true);
  CHECK(frame.sensors[0].health == sensor_health::dead);
  CHECK(frame.sensors[0].count == 0);
}

TEST_CASE("health names the worst that is in the window") {
  joiner join({.window = 20ms});
  REQUIRE(join.add(described("fast", 1'000)));
  std::vector<float> v(200, 1.f);
  v[150] = std::numeric_limits<float>::quiet_NaN();
  join.sensor(0).place({0ms, v.data(), 100});
  join.sensor(0).place({105ms, v.data() + 105, 95});
  CHECK(join.join(99ms, join_step::ready, true).sensors[0].health == sensor_health::good);
  CHECK(join.join(110ms, join_step::ready, true).sensors[0].health == sensor_health::patched);
  CHECK(join.join(110ms, join_step::ready, true).complete);
  CHECK(join.join(130ms, join_step::ready, true).sensors[0].health == sensor_health::good);
  CHECK(join.join(160ms, join_step::ready, true).sensors[0].health == sensor_health::invalid);
  CHECK_FALSE(join.join(160ms, join_step::ready, true).complete);
  CHECK(join.join(180ms, join_step::ready, true).sensors[0].health == sensor_health::good);
}

TEST_CASE("an optional sensor is reported and does not make a frame incomplete") {
  joiner join{join_options{}};
  sensor_description d = described("extra", 1'000);
  d.required = false;
  REQUIRE(join.add(d));
  const joined_frame frame = join.join(1s, join_step::timed_out, true);
  CHECK(frame.complete);
  CHECK(frame.sensors[0].health == sensor_health::dead);
}

TEST_CASE("an irregular sensor reads as its value, up to the frame") {
  joiner join({.window = 1s});
  sensor_description d = described("torque", 10);
  d.sampling = sampling::irregular;
  REQUIRE(join.add(d));
  const float value = 3.5f;
  join.sensor(0).place({0ms, &value, 1});
  CHECK(join.decide(500ms, 0ns, true) == join_step::ready);  // live: silence is no fault
  CHECK(join.decide(500ms, 0ns, false) == join_step::wait);  // a file will still tell
  const joined_frame frame = join.join(500ms, join_step::ready, true);
  REQUIRE(frame.sensors[0].count == 6);
  CHECK(frame.sensors[0].samples[5] == value);
  CHECK(frame.sensors[0].health == sensor_health::good);
  CHECK(frame.complete);
}

TEST_CASE("an ended sensor is not waited for") {
  joiner join{join_options{}};
  REQUIRE(join.add(described("a", 1'000)));
  join.set_ended(0, true);
  CHECK(join.decide(1s, 0ns, false) == join_step::ready);
}

TEST_CASE("restart and replace keep indices going up") {
  joiner join({.window = 100ms});
  REQUIRE(join.add(described("a", 1'000)));
  std::vector<float> v(100, 1.f);
  join.sensor(0).place({0ms, v.data(), 100});
  const std::int64_t before = join.join(99ms, join_step::ready, true).sensors[0].first_index + 100;
  join.restart(0);
  join.sensor(0).place({0ms, v.data(), 100});
  const joined_frame again = join.join(99ms, join_step::ready, true);
  const std::int64_t last = again.sensors[0].first_index + 99;  // a frame holds until the next join
  CHECK(last - 99 > before);
  CHECK(again.sensors[0].count == 100);
  REQUIRE(join.replace(0, described("a", 500)));
  join.sensor(0).place({0ms, v.data(), 100});
  CHECK(join.join(199ms, join_step::ready, true).sensors[0].first_index > last);
  CHECK(join.replace(0, described("a", 0)).error().code == errc::bad_value);
}
