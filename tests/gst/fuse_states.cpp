// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include "tests/gst/fuse_line.hpp"

using namespace dsmm;
using namespace std::chrono_literals;
using dsmm::test::fuse_line;

namespace {

constexpr GstClockTime ms = GST_MSECOND;

void flush(GstHarness* h) {
  gst_harness_push_event(h, gst_event_new_flush_start());
  gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(h, gst_event_new_segment(&segment));
}

void make_known() {
  test::start_gstreamer();
  gst_element_register(nullptr, "dsmmfuse", GST_RANK_NONE, gst::type_of<gst::fuse>());
}

/// Runs a pipeline to its end; gives each frame at the identity `look` to the visitor. Returns whether it ended well.
bool run(const char* text, std::function<void(GstBuffer*)> visit) {
  make_known();
  GError* error = nullptr;
  GstElement* const pipeline = gst_parse_launch(text, &error);
  REQUIRE_MESSAGE(error == nullptr, (error != nullptr ? error->message : ""));
  GstElement* const look = gst_bin_get_by_name(GST_BIN(pipeline), "look");
  using visitor = std::function<void(GstBuffer*)>;
  g_signal_connect(look, "handoff",
                   G_CALLBACK(+[](GstElement*, GstBuffer* b, gpointer f) { (*static_cast<visitor*>(f))(b); }), &visit);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* const bus = gst_element_get_bus(pipeline);
  GstMessage* const m = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND,
                                                   static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
  const bool ended = m != nullptr && GST_MESSAGE_TYPE(m) == GST_MESSAGE_EOS;
  if (m != nullptr) gst_message_unref(m);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(look);
  gst_object_unref(pipeline);
  return ended;
}

}  // namespace

TEST_CASE("the end without a frame comes through, a sensor's end does not") {
  fuse_line line;
  GstHarness* const vibration = line.add_sensor();
  line.play();
  gst_harness_push_event(vibration, gst_event_new_eos());
  const auto ended = [&] {
    bool found = false;
    while (GstEvent* const e = gst_harness_try_pull_event(line.video)) {
      found = found || GST_EVENT_TYPE(e) == GST_EVENT_EOS;
      gst_event_unref(e);
    }
    return found;
  };
  CHECK_FALSE(ended());
  gst_harness_push_event(line.video, gst_event_new_eos());
  CHECK(ended());
}

TEST_CASE("after the camera's end sensors are told to stop") {
  fuse_line line;
  GstHarness* const vibration = line.add_sensor();
  line.play();
  gst_harness_push_event(line.video, gst_event_new_eos());
  CHECK(line.ramp(vibration, 0, 10) == GST_FLOW_EOS);
}

TEST_CASE("a flush ends the wait, and indices go on after it") {
  fuse_line line;
  GstHarness* const vibration = line.add_sensor();
  line.play();
  line.ramp(vibration, 0, 100);
  line.frame(99 * ms);
  GstBuffer* b = line.pull();
  const std::int64_t last = gst::sensors_of(b)[0].first_index + 99;
  gst_buffer_unref(b);

  auto pushed = std::async(std::launch::async, [&] { return line.frame(5'000 * ms); });
  REQUIRE(gst_harness_wait_for_clock_id_waits(line.video, 1, 10));
  flush(line.video);
  CHECK(pushed.get() == GST_FLOW_FLUSHING);
  flush(vibration);
  line.ramp(vibration, 0, 100);
  CHECK(line.frame(50 * ms) == GST_FLOW_OK);
  b = line.pull();
  CHECK(gst::sensors_complete(b));
  CHECK(gst::sensors_of(b)[0].first_index > last);
  gst_buffer_unref(b);
}

TEST_CASE("new caps of a sensor and of the camera") {
  fuse_line line;
  GstHarness* const vibration = line.add_sensor();
  line.play();
  line.ramp(vibration, 0, 100);
  line.frame(50 * ms);
  gst_buffer_unref(line.pull());
  gst_harness_set_src_caps_str(vibration, "audio/x-raw,format=F32LE,rate=500,channels=2,layout=interleaved");
  line.samples(vibration, 100 * ms, std::vector<float>(100, 3.f));
  gst_harness_set_src_caps_str(line.video, "video/x-raw,format=BGR,width=20,height=10,framerate=30/1");
  line.frame(150 * ms);
  GstBuffer* const b = line.pull();
  const sensor_span& s = gst::sensors_of(b)[0];
  CHECK(s.channels == 2);
  CHECK(s.rate_hz == 500);
  CHECK(s.samples[0] == 3);
  gst_buffer_unref(b);
}

TEST_CASE("a hundred times up and down, with a frame waiting each time") {
  fuse_line line(true, "max-wait=10000000000");
  GstHarness* const vibration = line.add_sensor();
  for (int i = 0; i < 100; ++i) {
    gst_element_set_state(line.element(), GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(line.video, test::frame_caps);
    gst_harness_set_src_caps_str(vibration, test::vibration_caps);
    flush(line.video);
    flush(vibration);
    auto pushed = std::async(std::launch::async, [&] { return line.frame(5'000 * ms); });
    if (i % 2 == 0) gst_harness_wait_for_clock_id_waits(line.video, 1, 10);
    gst_element_set_state(line.element(), GST_STATE_NULL);
    CHECK(pushed.get() == GST_FLOW_FLUSHING);
  }
}

TEST_CASE("sensor pads may come and go while frames pass") {
  fuse_line line(true, "max-wait=0");
  line.play();
  std::atomic<bool> stop{false};
  std::thread camera([&] {
    for (GstClockTime t = 0; !stop; t += ms) {
      line.frame(t);
      gst_buffer_unref(line.pull());
    }
  });
  for (int i = 0; i < 200; ++i) {
    GstPad* const pad = gst_element_request_pad_simple(line.element(), "sensor_%u");
    REQUIRE(pad != nullptr);
    gst_element_release_request_pad(line.element(), pad);
    gst_object_unref(pad);
  }
  stop = true;
  camera.join();
}

TEST_CASE("sensors stay on the frame through queue, tee, videoconvert and videoscale, and share their samples") {
  int frames = 0;
  const auto look = [&](GstBuffer* b) {
    const auto spans = gst::sensors_of(b);
    const bool whole = spans.size() == 1 && spans[0].name == "spindle" && spans[0].count > 0;
    CHECK(whole);
    CHECK(gst::sensors_complete(b));
    ++frames;
  };
  CHECK(
      run("videotestsrc num-buffers=5 ! video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1 ! f.video "
          "dsmmfuse name=f sensor_0::sensor-name=spindle ! tee name=t ! queue ! videoconvert ! video/x-raw,format=RGB "
          "! videoscale ! video/x-raw,width=32,height=24 ! identity name=look ! fakesink t. ! queue ! fakesink "
          "audiotestsrc num-buffers=50 ! audio/x-raw,format=F32LE,rate=8000,channels=2 ! f.sensor_0",
          look));
  CHECK(frames == 5);
}

TEST_CASE("copies of a frame show the same samples") {
  fuse_line line;
  line.play();
  line.ramp(line.add_sensor(), 0, 300);
  line.frame(250 * ms);
  GstBuffer* const b = line.pull();
  GstBuffer* const shell = gst_buffer_copy(b);
  GstBuffer* const deep = gst_buffer_copy_deep(b);
  const float* const samples = gst::sensors_of(b)[0].samples;
  gst_buffer_unref(b);
  CHECK(gst::sensors_of(shell)[0].samples == samples);
  CHECK(gst::sensors_of(deep)[0].samples == samples);
  CHECK(gst::sensors_of(deep)[0].name == "sensor_0");
  gst_buffer_unref(shell);
  line.frame(251 * ms);
  GstBuffer* const second = line.pull();
  CHECK(gst::sensors_of(second)[0].samples != samples);  // the deep copy still shows them
  CHECK(gst::sensors_of(deep)[0].samples[50] == 101);
  gst_buffer_unref(deep);
  line.frame(252 * ms);
  GstBuffer* const third = line.pull();
  CHECK(gst::sensors_of(third)[0].samples == samples);  // nobody does any more: used again
  gst_buffer_unref(second);
  gst_buffer_unref(third);
}

TEST_CASE("a live pipeline with two sensors delivers every frame") {
  int frames = 0, complete = 0;
  CHECK(run(
      "videotestsrc is-live=true num-buffers=15 ! video/x-raw,width=64,height=48,framerate=30/1 ! f.video "
      "dsmmfuse name=f max-wait=2000000000 ! identity name=look ! fakesink sync=true "
      "audiotestsrc is-live=true samplesperbuffer=100 ! audio/x-raw,format=F32LE,rate=20000,channels=6 ! f.sensor_0 "
      "audiotestsrc is-live=true samplesperbuffer=2 ! audio/x-raw,format=S16LE,rate=100,channels=1 ! f.sensor_1",
      [&](GstBuffer* b) {
        ++frames;
        complete += gst::sensors_complete(b) ? 1 : 0;
      }));
  CHECK(frames == 15);
  CHECK(complete);  // the first ones may be older than the first sample
}

TEST_CASE("fuse: nothing is left behind") {
  test::start_gstreamer();
  GstTracer* leaks = nullptr;
  GList* const tracers = gst_tracing_get_active_tracers();
  for (GList* t = tracers; t != nullptr; t = t->next)
    if (g_strcmp0(G_OBJECT_TYPE_NAME(t->data), "GstLeaksTracer") == 0) leaks = GST_TRACER(t->data);
  if (leaks != nullptr) {
    gst_task_cleanup_all();  // the tracer must not look at a task that its thread is just letting go
    GstStructure* live = nullptr;
    g_signal_emit_by_name(leaks, "get-live-objects", &live);
    REQUIRE(live != nullptr);
    gchar* const text = gst_structure_to_string(live);
    CHECK_MESSAGE(std::string(text).find("Dsmm0") == std::string::npos, text);
    CHECK_MESSAGE(std::string(text).find("GstBuffer") == std::string::npos, text);
    g_free(text);
    gst_structure_free(live);
  }
  g_list_free_full(tracers, gst_object_unref);
}
