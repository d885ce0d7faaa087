// SPDX-License-Identifier: Apache-2.0
#include "dsmm/inspect/series_feed.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/inspect/sample_line.hpp"

namespace {

constexpr std::int64_t hop = samples::line_hop;
constexpr std::array<double, 3> rates{20'000, 1'000, 100};

/// What every sensor has measured up to and including the time k / fps; sample i of the force is worth i.
struct line {
  std::vector<float> vibration = std::vector<float>(3 * 40'000), force = std::vector<float>(2'000),
                     heat = std::vector<float>(200);
  std::array<dsmm::sensor_span, 3> spans;

  line() { std::iota(force.begin(), force.end(), 0.0f); }

  std::array<const dsmm::sensor_span*, 3> until(std::int64_t k, std::int64_t fps) {
    const std::array<const char*, 3> names{"vibration", "force", "heat"};
    const std::array<std::vector<float>*, 3> values{&vibration, &force, &heat};
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint32_t channels = i == 0 ? 3 : 1;
      const std::int64_t end = k * static_cast<std::int64_t>(rates[i]) / fps + 1;
      spans[i] = {names[i],
                  rates[i],
                  channels,
                  0,
                  static_cast<std::size_t>(end),
                  values[i]->data(),
                  {},
                  dsmm::sensor_health::good};
    }
    return {&spans[0], &spans[1], &spans[2]};
  }
};

/// Mean of the force over hop `h`, where both sensors count from the same instant: what a model is trained on.
float expected(std::int64_t h) {
  const std::int64_t from = h * hop * 1'000 / 20'000, stop = (h + 1) * hop * 1'000 / 20'000;
  return static_cast<float>(from + stop - 1) * 0.5f;
}

}  // namespace

TEST_CASE("a slow sensor in step with the beat is averaged over its own hop, wherever frames fall") {
  const std::vector<dsmm::sensor_need> needs{{"vibration", 20'000, 3, dsmm::sensor_role::hop, true},
                                             {"force", 1'000, 1, dsmm::sensor_role::slow, true},
                                             {"heat", 100, 1, dsmm::sensor_role::slow, true}};
  auto file = samples::line_levels(samples::line_net(), samples::line_net("0.0", 4));
  REQUIRE(file);
  const auto model = dsmm::model::open(std::as_const(*file).bytes());
  for (const std::int64_t fps : {24, 30, 60, 100, 144}) {
    auto memory = dsmm::file_bytes::allocate(*dsmm::elastic_session::required(*model));
    auto levels = dsmm::elastic_session::prepare(*model, memory->bytes());
    REQUIRE(levels);
    auto feed = dsmm::series_feed::make(*levels, needs);
    REQUIRE(feed);
    line l;
    std::int64_t hops = 0;
    for (std::int64_t k = 1; k <= fps; ++k) {
      const auto needed = l.until(k, fps);
      hops += static_cast<std::int64_t>(feed->feed(*levels, needed).hops);
      INFO("fps ", fps, " frame ", k);
      for (std::uint32_t level = 0; level < 2 && hops > 0; ++level) {
        const dsmm::session& s = levels->at(level);
        CHECK(s.f32(*s.find("slow")).data[0] == expected(hops - 1));
      }
    }
  }
}
