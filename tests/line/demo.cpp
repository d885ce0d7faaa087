// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>

#include "tools/demo/schedule.hpp"
#include "tools/demo/selection.hpp"
#include "tools/demo/tally.hpp"
#include "tools/line/simulated_feed.hpp"
#include "tools/report/base64.hpp"
#include "tools/report/charts.hpp"

using namespace dsmm;

namespace {

demo::judged_part part(const char* kind, bool defective, verdict v, double image = 0, double series = 0) {
  demo::judged_part p;
  p.kind = kind, p.truth_known = true, p.defective = defective, p.verdict = v, p.image = image, p.series = series;
  p.reason = v == verdict::unknown ? reason::sensor : reason::none;
  return p;
}

}  // namespace

TEST_CASE("a run is counted per kind and per way of deciding") {
  demo::tally t({0.5, 0.5});
  t.add(part("good", false, verdict::pass, 0.9, 0.1));
  t.add(part("good", false, verdict::fail, 0.1, 0.1));
  t.add(part("crack", true, verdict::fail, 0.9, 0.1));
  t.add(part("crack", true, verdict::pass, 0.1, 0.6));
  t.add(part("crack", true, verdict::unknown, 0.9, 0.9));  // not judged: neither right nor wrong
  CHECK(t.parts() == 5);
  CHECK(t.joint().accuracy() == doctest::Approx(0.5));
  CHECK(t.image().false_alarm_rate() == doctest::Approx(0.5));
  CHECK(t.series().detection() == doctest::Approx(0.5));
  const auto rows = t.rows();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].kind == "good");
  CHECK(rows[1].parts == 3);
  CHECK(rows[1].unknown == 1);
  CHECK(rows[1].joint_alarms == 1);
  CHECK(rows[1].joint_share() == 0.5);
  CHECK(rows[1].image_share(t.limits()) == 0.5);  // the unknown part counts nowhere
  CHECK(t.reasons().at("sensor") == 1);
}

TEST_CASE("a model without single heads raises no single alarms") {
  demo::tally t;
  t.add(part("crack", true, verdict::fail, 1e9, 1e9));
  CHECK(t.image().parts() == 0);
  CHECK(std::isnan(t.rows()[0].image_share(t.limits())));
  CHECK(t.rows()[0].joint_share() == 1);
  CHECK(t.joint().hits == 1);
}

TEST_CASE("parts without truth are counted, not rated") {
  demo::tally t;
  demo::judged_part p = part("ageing", false, verdict::pass);
  p.truth_known = false;
  t.add(p);
  CHECK(t.parts() == 1);
  CHECK(t.rows().empty());
  CHECK(std::isnan(t.joint().accuracy()));
}

TEST_CASE("a picture that never came out is an unknown part without a latency") {
  demo::tally t;
  demo::judged_part p = part("good", false, verdict::unknown);
  p.came_out = false, p.reason = reason::no_frame;
  t.add(p);
  CHECK(t.parts() == 1);
  CHECK(t.count(verdict::unknown) == 1);
  CHECK(t.reasons().at("no_frame") == 1);
  CHECK(t.decisions_ms().empty());
  CHECK(t.rows()[0].unknown == 1);
}

TEST_CASE("a percentile is the smallest value that so many do not exceed") {
  const std::vector<double> v{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(demo::percentile(v, 0.5) == 5);
  CHECK(demo::percentile(v, 0.9) == 9);
  CHECK(demo::percentile(v, 0.99) == 10);
  CHECK(demo::percentile(v, 1) == 10);
  CHECK(std::isnan(demo::percentile({}, 0.5)));
}

TEST_CASE("pictures and chunks are handed over in time order, none before its time") {
  line::simulated_feed feed(3, 60);
  demo::schedule plan(feed, 5);
  std::int64_t last = -1, pictures = 0, covered[4] = {}, exposure = 0;
  for (; !plan.done(); plan.pop()) {
    CHECK(plan.due_ns() >= last);
    last = plan.due_ns();
    if (plan.source() == demo::schedule::camera) {
      ++pictures, exposure = plan.picture().time_ns;
      CHECK(plan.due_ns() == exposure);
      continue;
    }
    const auto& chunk = plan.chunk();
    const double length = 1e9 * static_cast<double>(chunk.count - 1) / feed.about().sensors[plan.source()].rate_hz;
    CHECK(plan.due_ns() == chunk.time_ns + static_cast<std::int64_t>(length));
    covered[plan.source()] = plan.due_ns();
  }
  CHECK(pictures == 5);
  for (std::size_t i = 0; i < 3; ++i) CHECK(covered[i] >= exposure);  // regular sensors reach the last picture
}

TEST_CASE("the report shows every kind once, and wrong parts while there is room") {
  demo::selection s(6);
  CHECK(s.wants(part("crack", true, verdict::fail)));
  CHECK_FALSE(s.wants(part("crack", true, verdict::fail)));
  CHECK(s.wants(part("crack", true, verdict::pass)));
  CHECK(s.wants(part("crack", true, verdict::pass)));
  CHECK_FALSE(s.wants(part("good", false, verdict::fail)));  // a third of the room is used
  CHECK(s.wants(part("good", false, verdict::pass)));
}

TEST_CASE("base64 is that of RFC 4648") {
  const auto encoded = [](std::string_view text) {
    return report::base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  CHECK(encoded("") == "");
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  CHECK(encoded("\xFF\xFE\xFD") == "//79");
}

TEST_CASE("names cannot break out of the page") {
  CHECK(report::escaped("<a href=\"x\">&") == "&lt;a href=&quot;x&quot;&gt;&amp;");
  const std::string chart = report::bar_chart({{"<b>", {0.5}}}, {"s"}, {"c"});
  CHECK(chart.find("<b>") == std::string::npos);
}
