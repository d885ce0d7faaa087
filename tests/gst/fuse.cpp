// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <future>
#include <limits>

#include "tests/gst/fuse_line.hpp"

using namespace dsmm;
using namespace std::chrono_literals;
using dsmm::test::fuse_line;

namespace {

constexpr GstClockTime ms = GST_MSECOND;

/// The next frame; takes what it shows of sensor 0.
struct seen {
  explicit seen(fuse_line& line, std::size_t sensor = 0) {
    GstBuffer* const b = line.pull();
    REQUIRE(b != nullptr);
    pts = GST_BUFFER_PTS(b);
    complete = gst::sensors_complete(b);
    const auto spans = gst::sensors_of(b);
    count = spans.size();
    if (sensor < count) {
      const sensor_span& s = spans[sensor];
      name = s.name;
      health = s.health;
      age = s.age;
      first_index = s.first_index;
      values.assign(s.samples, s.samples + s.count * s.channels);
      channels = s.channels;
      rate = s.rate_hz;
    }
    gst_buffer_unref(b);
  }
  GstClockTime pts = 0;
  bool complete = false;
  std::size_t count = 0;
  std::string name;
  sensor_health health = sensor_health::dead;
  std::chrono::nanoseconds age{};
  std::int64_t first_index = 0;
  std::vector<float> values;
  std::uint32_t channels = 0;
  double rate = 0;
};

}  // namespace

TEST_CASE("a frame gets the samples of its window") {
  fuse_line line(true, "window=50000000");
  GstHarness* const vibration = line.add_sensor(test::vibration_caps, "sensor-name=spindle");
  line.play();
  CHECK(line.ramp(vibration, 0, 120) == GST_FLOW_OK);
  CHECK(line.frame(100 * ms) == GST_FLOW_OK);
  const seen s(line);
  CHECK(s.pts == 100 * ms);
  CHECK(s.complete);
  CHECK(s.name == "spindle");
  CHECK(s.rate == 1000);
  REQUIRE(s.values.size() == 50);
  CHECK(s.values.front() == 51);
  CHECK(s.values.back() == 100);
  CHECK(s.first_index == 51);
  CHECK(s.age == 0ns);
}

TEST_CASE("without a sensor frames pass and are not complete evidence of anything") {
  fuse_line line;
  line.play();
  CHECK(line.frame(0) == GST_FLOW_OK);
  const seen s(line);
  CHECK(s.count == 0);
  CHECK(s.complete);
}

TEST_CASE("a dead sensor delays one frame by max-wait, on the clock, and is reported once") {
  for (int repeat = 0; repeat < 3; ++repeat) {
    fuse_line line(true, "max-wait=20000000");
    line.add_sensor();
    line.play();
    auto pushed = std::async(std::launch::async, [&] { return line.frame(0); });
    REQUIRE(gst_harness_wait_for_clock_id_waits(line.video, 1, 10));
    CHECK(gst_harness_buffers_in_queue(line.video) == 0);
    REQUIRE(gst_harness_crank_single_clock_wait(line.video));
    CHECK(pushed.get() == GST_FLOW_OK);
    GstTestClock* const clock = gst_harness_get_testclock(line.video);
    CHECK(gst_clock_get_time(GST_CLOCK(clock)) == 20 * ms);
    gst_object_unref(clock);
    const seen first(line);
    CHECK_FALSE(first.complete);
    CHECK(first.health == sensor_health::dead);
    CHECK(line.message() == "dsmm-sensor-stale sensor_0 dead");
    for (GstClockTime t = 33 * ms; t < 1000 * ms; t += 33 * ms) {
      CHECK(line.frame(t) == GST_FLOW_OK);  // returns, so nothing waits
      CHECK_FALSE(seen(line).complete);
    }
    CHECK(line.message() == "");
    CHECK(line.stat(nullptr, "timed-out") == 1);
    CHECK(line.stat(nullptr, "longest-wait") == 20 * ms);
  }
}

TEST_CASE("a late sensor ends the wait, and a recovered one is reported") {
  fuse_line line;
  GstHarness* const vibration = line.add_sensor();
  line.play();
  auto pushed = std::async(std::launch::async, [&] { return line.frame(50 * ms); });
  REQUIRE(gst_harness_wait_for_clock_id_waits(line.video, 1, 10));
  line.ramp(vibration, 0, 40);
  CHECK(pushed.wait_for(20ms) == std::future_status::timeout);  // not enough yet
  line.ramp(vibration, 40, 20);
  CHECK(pushed.get() == GST_FLOW_OK);
  CHECK(seen(line).complete);
  CHECK(line.message() == "");

  pushed = std::async(std::launch::async, [&] { return line.frame(500 * ms); });
  REQUIRE(gst_harness_wait_for_clock_id_waits(line.video, 1, 10));
  REQUIRE(gst_harness_crank_single_clock_wait(line.video));
  pushed.get();
  const seen stale(line);
  CHECK(stale.health == sensor_health::late);
  CHECK(stale.age == 441ms);
  CHECK(line.message() == "dsmm-sensor-stale sensor_0 late");
  line.ramp(vibration, 60, 500);
  CHECK(line.frame(533 * ms) == GST_FLOW_OK);
  const seen back(line);
  CHECK(back.complete);
  CHECK(back.values.back() == 533);
  CHECK(line.message() == "dsmm-sensor-recovered sensor_0 good");
}

TEST_CASE("damaged streams are flagged, never hidden") {
  fuse_line line(true, "window=20000000 max-wait=0");
  GstHarness* const vibration = line.add_sensor();
  line.play();
  line.ramp(vibration, 0, 30);
  SUBCASE("backwards and doubled stamps change nothing") {
    line.ramp(vibration, 0, 30);
    line.ramp(vibration, 10, 5);
    line.frame(29 * ms);
    const seen s(line);
    CHECK(s.health == sensor_health::good);
    CHECK(s.values.back() == 29);
    CHECK(line.stat("sensor_0", "dropped") == 35);
  }
  SUBCASE("NaN") {
    line.samples(vibration, 30 * ms, std::vector<float>(10, std::numeric_limits<float>::quiet_NaN()));
    line.frame(39 * ms);
    const seen s(line);
    CHECK(s.health == sensor_health::invalid);
    CHECK_FALSE(s.complete);
    for (const float v : s.values) CHECK(std::isfinite(v));
    CHECK(line.message() == "dsmm-sensor-stale sensor_0 invalid");
  }
  SUBCASE("a jump is filled") {
    line.ramp(vibration, 40, 10);
    line.frame(49 * ms);
    const seen s(line);
    CHECK(s.health == sensor_health::patched);
    CHECK(s.complete);
    CHECK(s.values[9] == 29);
    CHECK(s.values[10] == 40);
  }
  SUBCASE("DISCONT: one lost sample counts") {
    line.samples(vibration, 31 * ms, std::vector<float>(10, 1.f), GST_BUFFER_FLAG_DISCONT);
    line.frame(40 * ms);
    CHECK(seen(line).health == sensor_health::patched);
    CHECK(line.stat("sensor_0", "filled") == 1);
  }
  SUBCASE("GAP event") {
    gst_harness_push_event(vibration, gst_event_new_gap(30 * ms, 15 * ms));
    line.ramp(vibration, 45, 10);
    line.frame(54 * ms);
    CHECK(seen(line).health == sensor_health::patched);
    CHECK(line.stat("sensor_0", "filled") == 15);
  }
  SUBCASE("GAP buffer") {
    GstBuffer* const b = gst_buffer_new();
    GST_BUFFER_PTS(b) = 30 * ms;
    GST_BUFFER_DURATION(b) = 15 * ms;
    GST_BUFFER_FLAG_SET(b, GST_BUFFER_FLAG_GAP);
    CHECK(gst_harness_push(vibration, b) == GST_FLOW_OK);
    CHECK(line.stat("sensor_0", "filled") == 15);
  }
  SUBCASE("a buffer that ends in the middle of a sample, and an empty one") {
    CHECK(line.samples(vibration, 30 * ms, std::vector<std::uint8_t>(41, 0)) == GST_FLOW_OK);
    CHECK(line.samples(vibration, 40 * ms, std::vector<std::uint8_t>()) == GST_FLOW_OK);
    CHECK(line.stat("sensor_0", "placed") == 40);
  }
  SUBCASE("no stamp: it follows") {
    line.samples(vibration, GST_CLOCK_TIME_NONE, std::vector<float>(10, 7.f));
    line.frame(39 * ms);
    const seen s(line);
    CHECK(s.health == sensor_health::good);
    CHECK(s.values.back() == 7);
  }
}

TEST_CASE("ts-offset moves a sensor in time") {
  fuse_line line(true, "window=10000000");
  GstHarness* const vibration = line.add_sensor(test::vibration_caps, "ts-offset=-5000000");
  line.play();
  line.ramp(vibration, 0, 100);
  line.frame(50 * ms);
  CHECK(seen(line).values.back() == 55);
}

TEST_CASE("the segments of both sides count") {
  fuse_line line(true, "window=10000000");
  GstHarness* const vibration = line.add_sensor();
  line.play();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = 3600 * GST_SECOND;
  gst_harness_push_event(vibration, gst_event_new_segment(&segment));
  line.samples(vibration, 3600 * GST_SECOND, std::vector<float>(60, 4.f));
  line.frame(50 * ms);
  const seen s(line);
  CHECK(s.complete);
  CHECK(s.values.back() == 4);
}

TEST_CASE("every kind of sensor caps") {
  fuse_line line(true, "window=1000000000");
  GstHarness* const s16 =
      line.add_sensor("audio/x-raw,format=S16LE,rate=100,channels=2,layout=interleaved,channel-mask=(bitmask)0x0");
  GstHarness* const s32 = line.add_sensor("audio/x-raw,format=S32LE,rate=100,channels=1,layout=interleaved");
  GstHarness* const torque =
      line.add_sensor("application/x-dsmm-sensor,name=torque,unit=Nm,channels=2,rate=(fraction)10/1");
  GstHarness* const tensor = line.add_sensor(
      "other/tensors,format=static,num_tensors=1,types=(string)float32,dimensions=(string)3:5,framerate=20/1");
  line.play();
  CHECK(line.samples(s16, 0, std::vector<std::int16_t>{-32768, 16384}) == GST_FLOW_OK);
  CHECK(line.samples(s32, 0, std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::min()}) == GST_FLOW_OK);
  CHECK(line.samples(torque, 0, std::vector<float>{1.5f, -2.f}) == GST_FLOW_OK);
  CHECK(line.samples(tensor, 0, std::vector<float>(15, 6.f)) == GST_FLOW_OK);
  line.frame(0);
  GstBuffer* const b = line.pull();
  const auto spans = gst::sensors_of(b);
  REQUIRE(spans.size() == 4);
  CHECK(spans[0].channels == 2);
  CHECK(spans[0].samples[0] == -1);
  CHECK(spans[0].samples[1] == 0.5f);
  CHECK(spans[1].samples[0] == -1);
  CHECK(spans[2].name == "torque");
  CHECK(spans[2].samples[1] == -2);
  CHECK(spans[3].channels == 3);
  CHECK(spans[3].rate_hz == 100);
  CHECK(gst::sensors_complete(b));
  gst_buffer_unref(b);

  gst_harness_push_event(torque, gst_event_new_gap(0, 400 * ms));  // nothing new, still there
  CHECK(line.samples(torque, 420 * ms, std::vector<float>{9.f, 9.f}) == GST_FLOW_OK);
  line.samples(s16, 10 * ms, std::vector<std::int16_t>(200, 0));
  line.samples(s32, 10 * ms, std::vector<std::int32_t>(100, 0));
  line.samples(tensor, 50 * ms, std::vector<float>(300, 6.f));
  line.frame(500 * ms);
  const seen s(line, 2);
  CHECK(s.values == std::vector<float>{1.5f, -2, 1.5f, -2, 1.5f, -2, 1.5f, -2, 9, 9, 9, 9});
  CHECK(s.health == sensor_health::good);
}

TEST_CASE("caps that cannot be read are refused with a sentence") {
  fuse_line line;
  GstHarness* const s = line.add_sensor("application/x-dsmm-sensor,channels=9999");
  line.play();
  CHECK(line.samples(s, 0, std::vector<float>{1.f}) == GST_FLOW_NOT_NEGOTIATED);
  CHECK(line.message(GST_MESSAGE_ERROR) ==
        "Send sensor samples that can be read: the sensor's rate must be above 0 Hz and its channels 1..4096.");
}

TEST_CASE("a live sensor never blocks while the camera is silent, and the next frame finds its window") {
  fuse_line line(true, "window=50000000 max-skew=500000000");
  GstHarness* const vibration = line.add_sensor();
  line.play();
  for (int t = 0; t < 30'000; t += 10) REQUIRE(line.ramp(vibration, t, 10) == GST_FLOW_OK);
  line.frame(29'990 * ms);
  const seen s(line);
  CHECK(s.complete);
  CHECK(s.values.back() == 29'990);
  CHECK(s.values.size() == 50);
}

TEST_CASE("not live: frames and sensors wait for each other, and an ended sensor for nobody") {
  fuse_line line(false, "window=50000000 max-skew=100000000");
  GstHarness* const vibration = line.add_sensor();
  line.play();
  auto sensor = std::async(std::launch::async, [&] {
    for (int t = 0; t < 1'000; t += 10)
      if (line.ramp(vibration, t, 10) != GST_FLOW_OK) return false;
    return gst_harness_push_event(vibration, gst_event_new_eos()) != FALSE;
  });
  CHECK(sensor.wait_for(50ms) == std::future_status::timeout);
  for (GstClockTime t = 0; t < 1'000 * ms; t += 20 * ms) {
    REQUIRE(line.frame(t) == GST_FLOW_OK);
    const seen s(line);
    CHECK(s.complete);
    CHECK(s.values.back() == static_cast<float>(t / ms));
  }
  CHECK(sensor.get());
  CHECK(line.frame(5'000 * ms) == GST_FLOW_OK);
  CHECK(seen(line).health == sensor_health::dead);
}

TEST_CASE("the latency is the camera's, the slower sensor's lag and max-wait") {
  fuse_line line(true, "max-wait=20000000");
  GstHarness* const vibration = line.add_sensor();
  gst_harness_set_upstream_latency(line.video, 33 * ms);
  line.play();
  CHECK(gst_harness_query_latency(line.video) == 53 * ms);
  gst_harness_set_upstream_latency(vibration, 50 * ms);
  CHECK(gst_harness_query_latency(line.video) == 70 * ms);
}
