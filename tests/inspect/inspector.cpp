// SPDX-License-Identifier: Apache-2.0
#include "dsmm/inspect/inspector.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/inspect/sample_line.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

nanoseconds fake_time{};
nanoseconds fake_step{};
dsmm::nanos fake_now() noexcept { return fake_time += fake_step; }

/// A line whose sensors have measured since time 0: any window of it can be asked for.
struct line {
  static constexpr std::array<double, 3> rates{20'000, 1'000, 100};
  static constexpr std::array<std::uint32_t, 3> channels{3, 1, 1};
  std::array<std::vector<float>, 3> samples;
  std::vector<std::uint8_t> picture;

  explicit line(std::uint64_t seed = 1) {
    dsmm::rng random(seed);
    for (std::size_t i = 0; i < 3; ++i) {
      samples[i].resize(static_cast<std::size_t>(rates[i]) * channels[i]);
      for (float& v : samples[i]) v = random.normal();
    }
    picture.resize(static_cast<std::size_t>(samples::line_size) * samples::line_size);
    for (auto& v : picture) v = static_cast<std::uint8_t>(random.below(200) + 20);
  }

  /// What the join hands over at time t: everything in (t - window, t].
  std::array<dsmm::sensor_span, 3> at(nanoseconds t, nanoseconds window) const {
    constexpr std::array names{"vibration", "force", "heat"};
    std::array<dsmm::sensor_span, 3> spans;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto index = [&](nanoseconds time) {
        return static_cast<std::int64_t>(static_cast<double>(time.count()) * rates[i] / 1e9);
      };
      const std::int64_t end = index(t) + 1, begin = std::max<std::int64_t>(0, index(t - window) + 1);
      spans[i] = {names[i],
                  rates[i],
                  channels[i],
                  begin,
                  static_cast<std::size_t>(end - begin),
                  samples[i].data() + begin * channels[i],
                  nanoseconds(0),
                  dsmm::sensor_health::good};
    }
    return spans;
  }

  dsmm::frame_view frame() const {
    return {picture.data(), samples::line_size, samples::line_size, samples::line_size, dsmm::pixel_format::gray8};
  }
};

dsmm::inspector open(const char* threshold, dsmm::inspector_options options = {}) {
  auto file = samples::line_net(threshold).finish();
  REQUIRE(file);
  auto made = dsmm::inspector::open(file->bytes(), options);
  REQUIRE_MESSAGE(made, made.error().text);
  return std::move(*made);
}

const dsmm::inspection& look(dsmm::inspector& i, const line& l, nanoseconds t, nanoseconds window = milliseconds(200)) {
  const auto spans = l.at(t, window);
  return i.inspect(l.frame(), spans, {0, dsmm::steady_now(), false});
}

constexpr const char* never = "1e30";  // threshold above every score
constexpr const char* always = "-1e30";

}  // namespace

TEST_CASE("a whole part with healthy sensors passes or fails by its score") {
  line l;
  auto good = open(never), bad = open(always);
  CHECK(look(good, l, milliseconds(500)).verdict == dsmm::verdict::pass);
  CHECK(look(bad, l, milliseconds(500)).verdict == dsmm::verdict::fail);
  CHECK(look(bad, l, milliseconds(500)).label >= 0);
}

TEST_CASE("scores do not depend on how windows overlap") {
  line l;
  auto wide = open(never), narrow = open(never);
  for (int k = 1; k <= 40; ++k) {
    l.picture[0] = static_cast<std::uint8_t>(k);
    const auto t = nanoseconds(16'666'667) * k;
    const auto a = look(wide, l, t, milliseconds(300)).score;
    const auto b = look(narrow, l, t, milliseconds(40)).score;  // a frame, a hop and a sample of the slowest sensor
    CHECK(a == b);
  }
}

TEST_CASE("every doubt about the picture is UNKNOWN with its reason, whatever the score") {
  line l;
  for (const char* threshold : {never, always}) {
    auto i = open(threshold);
    const auto spans = l.at(milliseconds(400), milliseconds(200));
    const auto judge = [&](dsmm::frame_view f, bool damaged, nanoseconds age = nanoseconds(0)) {
      const auto& r = i.inspect(f, spans, {1, dsmm::steady_now() - age, damaged});
      CHECK(r.verdict == dsmm::verdict::unknown);
      return r.reason;
    };
    auto frame = l.frame();
    CHECK(judge({}, false) == dsmm::reason::no_frame);
    CHECK(judge(frame, true) == dsmm::reason::integrity);
    frame.width = 63;
    CHECK(judge(frame, false) == dsmm::reason::caps);
    frame = l.frame();
    frame.stride = 10;
    CHECK(judge(frame, false) == dsmm::reason::caps);
    l.picture[5] ^= 1;
    CHECK(judge(l.frame(), false, std::chrono::seconds(2)) == dsmm::reason::too_old);
    CHECK(judge(l.frame(), false) == dsmm::reason::repeated);
    const std::vector<std::uint8_t> dark(l.picture.size(), 2), flat(l.picture.size(), 128);
    frame = l.frame();
    frame.data = dark.data();
    CHECK(judge(frame, false) == dsmm::reason::exposure);
    frame.data = flat.data();
    CHECK(judge(frame, false) == dsmm::reason::exposure);
  }
}

TEST_CASE("a part that may be good is UNKNOWN while a required sensor is not well; a defect still fails") {
  line l;
  for (const auto health : {dsmm::sensor_health::late, dsmm::sensor_health::invalid, dsmm::sensor_health::dead})
    for (std::size_t sensor = 0; sensor < 3; ++sensor) {
      auto good = open(never), bad = open(always);
      auto spans = l.at(milliseconds(400), milliseconds(200));
      spans[sensor].health = health;
      const auto& r = good.inspect(l.frame(), spans, {0, dsmm::steady_now(), false});
      CHECK(r.verdict == dsmm::verdict::unknown);
      CHECK(r.reason == dsmm::reason::sensor);
      CHECK(bad.inspect(l.frame(), spans, {0, dsmm::steady_now(), false}).verdict == dsmm::verdict::fail);
    }
  auto none = open(never);
  CHECK(none.inspect(l.frame(), {}, {0, dsmm::steady_now(), false}).reason == dsmm::reason::sensor);
}

TEST_CASE("lost samples restart the streams, and the verdict waits until they are warm") {
  line l;
  auto i = open(never);
  CHECK(look(i, l, milliseconds(300)).verdict == dsmm::verdict::pass);
  l.picture[1] ^= 1;
  CHECK(look(i, l, milliseconds(700), milliseconds(20)).reason == dsmm::reason::sensor);
  l.picture[1] ^= 3;
  CHECK(look(i, l, milliseconds(900), milliseconds(210)).verdict == dsmm::verdict::pass);
}

TEST_CASE("late is UNKNOWN, also for a defect") {
  line l;
  dsmm::inspector_options options;
  options.now = fake_now;
  options.deadline = milliseconds(20);
  auto bad = open(always, options);
  const auto spans = l.at(milliseconds(400), milliseconds(200));
  fake_time = milliseconds(1000);
  fake_step = milliseconds(1);
  CHECK(bad.inspect(l.frame(), spans, {0, fake_time, false}).verdict == dsmm::verdict::fail);
  l.picture[2] ^= 1;
  fake_step = milliseconds(6);
  const auto& r = bad.inspect(l.frame(), spans, {0, fake_time, false});
  CHECK(r.verdict == dsmm::verdict::unknown);
  CHECK(r.reason == dsmm::reason::deadline);
}

TEST_CASE("each level judges like the model that it was") {
  line l;
  dsmm::inspector_options patient;  // emulated machines are slow
  patient.deadline = std::chrono::minutes(1);
  const auto small = [] { return samples::line_net(always, 4); };
  auto joined = samples::line_levels(samples::line_net(never), small());
  REQUIRE(joined);
  auto both = dsmm::inspector::open(joined->bytes(), patient);
  REQUIRE_MESSAGE(both, both.error().text);
  REQUIRE(both->levels() == 2);
  CHECK(both->level_share(1) == 0.5f);
  auto large = open(never, patient);
  auto alone = dsmm::inspector::open(small().finish()->bytes(), patient);
  REQUIRE(alone);
  for (std::uint32_t k = 0; k < 24; ++k) {  // in turn, so that each finds the series as if it had always run
    l.picture[0] = static_cast<std::uint8_t>(k + 1);
    const auto spans = l.at(milliseconds(400) + milliseconds(16) * static_cast<int>(k), milliseconds(300));
    const auto judge = [&](dsmm::inspector& i, std::uint32_t level) -> const dsmm::inspection& {
      return i.inspect(l.frame(), spans, {k, dsmm::steady_now(), false, level});
    };
    const dsmm::inspection &a = judge(large, 0), &b = judge(*alone, 0), &got = judge(*both, k % 3 == 0 ? 0 : 7);
    const dsmm::inspection& expected = k % 3 == 0 ? a : b;
    CHECK(got.level == (k % 3 == 0 ? 0 : 1));
    CHECK(got.score == expected.score);
    CHECK(got.threshold == expected.threshold);
    CHECK(got.verdict == expected.verdict);
    CHECK(got.label == expected.label);
  }
}

TEST_CASE("under load a smaller level runs, and the logged levels repeat every score") {
  line l;
  auto joined = samples::line_levels(samples::line_net(never), samples::line_net(never, 4));
  REQUIRE(joined);
  dsmm::inspector_options options;
  options.now = fake_now;
  options.deadline = milliseconds(20);
  fake_step = milliseconds(1);
  auto live = dsmm::inspector::open(joined->bytes(), options);
  REQUIRE(live);
  std::vector<std::uint32_t> levels;
  std::vector<float> scores;
  const auto spans = [&](std::uint32_t k) {
    l.picture[0] = static_cast<std::uint8_t>(k + 1);
    return l.at(milliseconds(100) + milliseconds(10) * static_cast<int>(k), milliseconds(90));
  };
  for (std::uint32_t k = 0; k < 80; ++k) {
    fake_step = milliseconds(k >= 10 && k < 13 ? 3 : 1);
    const auto s = spans(k);
    const auto& r = live->inspect(l.frame(), s, {k, fake_time, false});
    levels.push_back(r.level);
    scores.push_back(r.score);
  }
  CHECK(levels[9] == 0);
  CHECK(levels[12] == 1);
  CHECK(levels[79] == 0);
  fake_step = nanoseconds(0);  // the replay's clock says nothing
  auto replay = dsmm::inspector::open(joined->bytes(), options);
  REQUIRE(replay);
  for (std::uint32_t k = 0; k < 80; ++k) {
    const auto s = spans(k);
    CHECK(replay->inspect(l.frame(), s, {k, fake_time, false, levels[k]}).score == scores[k]);
  }
}

TEST_CASE("levels that look at other things are not one model") {
  auto other = samples::line_net(never, 4);
  other.meta("labels", "scratch,dent");
  auto joined = samples::line_levels(samples::line_net(never), other);
  REQUIRE(joined);
  CHECK(dsmm::inspector::open(joined->bytes()).error().code == dsmm::errc::wrong_product);
}

TEST_CASE("open refuses what it cannot honour, with a typed error") {
  const auto refused = [](dsmm::model_writer m) {
    auto file = m.finish();
    REQUIRE(file);
    return dsmm::inspector::open(file->bytes()).error();
  };
  auto no_threshold = samples::line_net();
  no_threshold.meta("threshold.joint", "high");
  CHECK(refused(no_threshold).code == dsmm::errc::bad_value);
  auto no_output = samples::line_net();
  no_output.meta("decision", "late");
  no_output.meta("threshold.late", "1");
  CHECK(refused(no_output).code == dsmm::errc::wrong_product);
  auto channels = samples::line_net();
  channels.meta("sensor.0.channels", "2");
  CHECK(refused(channels).code == dsmm::errc::wrong_product);
  auto wrong_golden = samples::line_net();
  wrong_golden.self_test(0, 1, 1, {});
  CHECK(refused(wrong_golden).code == dsmm::errc::self_test_failed);
  CHECK(dsmm::inspector::open({}).error().code != dsmm::errc::ok);
}
