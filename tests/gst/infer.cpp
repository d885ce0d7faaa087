// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dsmm/gst/result_meta.hpp"
#include "infer_double.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

struct format_row {
  const char* name;
  int bytes;
};
constexpr format_row formats[] = {{"GRAY8", 1}, {"BGR", 3}, {"RGB", 3}, {"BGRx", 4}, {"RGBx", 4}};

std::string double_of(int width, int height, const char* rest = "0 0") {
  return "double " + std::to_string(width) + " " + std::to_string(height) + " " + rest;
}

/// Pushes a buffer through and gives its result; the flow must go on.
gst::frame_result through(GstHarness* h, GstBuffer* b) {
  REQUIRE(gst_harness_push(h, b) == GST_FLOW_OK);
  GstBuffer* const out = gst_harness_pull(h);
  REQUIRE(out != nullptr);
  auto r = gst::read_result(out);
  REQUIRE(r);
  r->label = r->product = r->model = {};
  r->heat.data = nullptr;  // views into the buffer
  gst_buffer_unref(out);
  return *r;
}

template <class T>
T stat(GstElement* element, const char* field) {
  GstStructure* s = nullptr;
  g_object_get(element, "stats", &s, nullptr);
  T value{};
  CHECK(gst_structure_get(s, field, G_TYPE_UINT64, &value, nullptr));
  gst_structure_free(s);
  return value;
}

}  // namespace

TEST_CASE("dsmminfer: every format on odd sizes, packed as GStreamer packs it") {
  for (const auto& [name, bytes] : formats) {
    for (const auto& [width, height] : {std::pair{641, 481}, {1, 1}, {7, 3}, {640, 480}}) {
      const model_file model(double_of(width, height));
      const harness h = make_harness(model.path(), name, width, height);
      GstVideoInfo info;
      REQUIRE(gst_video_info_set_format(&info, gst_video_format_from_string(name), static_cast<guint>(width),
                                        static_cast<guint>(height)));
      const gst::frame_result dark = through(h.get(), filled(info.size, 51));
      CHECK(dark.score == doctest::Approx(0.2));
      CHECK(dark.verdict == verdict::pass);
      CHECK(dark.regions().empty());
      const gst::frame_result bright = through(h.get(), filled(info.size, 204, 1));
      CHECK(bright.verdict == verdict::fail);
      CHECK(bright.label_id == 0);
      CHECK(bright.regions().size() == 1);
    }
  }
}

TEST_CASE("dsmminfer: the strides and offsets of a video meta are honoured") {
  for (const auto& [name, bytes] : formats) {
    constexpr int width = 13, height = 5;
    gint stride[4] = {width * bytes + 11, 0, 0, 0};
    gsize offset[4] = {29, 0, 0, 0};
    const model_file model(double_of(width, height));
    const harness h = make_harness(model.path(), name, width, height);
    const auto size = offset[0] + static_cast<gsize>(stride[0] * (height - 1) + width * bytes);
    GstBuffer* const b = filled(size, 255);
    for (int y = 0; y < height; ++y)
      gst_buffer_memset(b, offset[0] + static_cast<gsize>(y * stride[0]), 51, static_cast<gsize>(width * bytes));
    gst_buffer_add_video_meta_full(b, GST_VIDEO_FRAME_FLAG_NONE, gst_video_format_from_string(name), width, height, 1,
                                   offset, stride);
    CHECK(through(h.get(), b).score == doctest::Approx(0.2));  // the padding is 255 and not seen
  }
}

TEST_CASE("dsmminfer: a short, empty, contradictory or corrupted buffer is UNKNOWN, counted, warned of once; then on") {
  const model_file model(double_of(64, 48));
  const harness h = make_harness(model.path(), "GRAY8", 64, 48);
  bus_of bus(h->element);
  gint stride[4] = {64, 0, 0, 0};
  gsize offset[4] = {0, 0, 0, 0};
  std::vector<GstBuffer*> bad{filled(64 * 48 - 1, 0), gst_buffer_new(), filled(16, 0)};
  bad.push_back(filled(64 * 48 - 1, 0));
  gst_buffer_add_video_meta_full(bad.back(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 64, 48, 1, offset,
                                 stride);
  bad.push_back(filled(64 * 48, 0));
  gst_buffer_add_video_meta_full(bad.back(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 32, 48, 1, offset,
                                 stride);
  bad.push_back(filled(64 * 48, 0));
  GST_BUFFER_FLAG_SET(bad.back(), GST_BUFFER_FLAG_CORRUPTED);
  const std::size_t count = bad.size();
  for (GstBuffer* const b : bad) {
    const gst::frame_result r = through(h.get(), b);
    CHECK(r.verdict == verdict::unknown);
    CHECK(r.reason == reason::integrity);
  }
  CHECK(through(h.get(), filled(64 * 48, 51)).verdict == verdict::pass);
  int warnings = 0;
  while (GstMessage* const m = bus.next(GST_MESSAGE_WARNING)) gst_message_unref(m), ++warnings;
  CHECK(warnings == 1);
  CHECK(stat<guint64>(h->element, "frames") == count + 1);
  CHECK(stat<guint64>(h->element, "unknown") == count);
  CHECK(stat<guint64>(h->element, "damaged") == count);
  CHECK(stat<guint64>(h->element, "pass") == 1);
}

TEST_CASE("dsmminfer: frames of another size are refused with a sentence") {
  const model_file model(double_of(64, 48));
  const harness h = make_harness(model.path(), "GRAY8", 64, 48);
  CHECK(through(h.get(), filled(64 * 48, 0)).verdict == verdict::pass);
  bus_of bus(h->element);
  gst_harness_push_event(
      h.get(), gst_event_new_caps(gst_caps_from_string("video/x-raw,format=GRAY8,width=32,height=48,framerate=30/1")));
  GstMessage* const m = bus.next(GST_MESSAGE_ERROR);
  REQUIRE(m != nullptr);
  GError* error = nullptr;
  gst_message_parse_error(m, &error, nullptr);
  CHECK(g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  CHECK(std::string(error->message).find("64x48") != std::string::npos);
  CHECK(std::string(error->message).find("32x48") != std::string::npos);
  g_error_free(error);
  gst_message_unref(m);
}

TEST_CASE("dsmminfer: a change of caps that the model accepts goes through") {
  const model_file model(double_of(64, 48));
  const harness h = make_harness(model.path(), "GRAY8", 64, 48);
  CHECK(through(h.get(), filled(64 * 48, 51)).score == doctest::Approx(0.2));
  gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=BGRx,width=64,height=48,framerate=25/1");
  CHECK(through(h.get(), filled(64 * 48 * 4, 102)).score == doctest::Approx(0.4));
}

TEST_CASE("dsmminfer: frames as cameras send them, NV12 and Bayer mosaics, are judged without conversion") {
  const model_file model(double_of(64, 48));
  for (const char* caps : {"video/x-raw,format=NV12,width=64,height=48,framerate=25/1",
                           "video/x-bayer,format=rggb,width=64,height=48,framerate=25/1"}) {
    const harness h = make_harness(model.path(), "GRAY8", 64, 48);
    gst_harness_set_src_caps_str(h.get(), caps);
    GstCaps* const wanted = gst_caps_from_string(caps);
    GstCaps* const offered = gst_pad_peer_query_caps(h->srcpad, wanted);
    CHECK_FALSE(gst_caps_is_empty(offered));
    gst_caps_unref(offered);
    gst_caps_unref(wanted);
    CHECK(through(h.get(), filled(64 * 48 * 3 / 2, 51)).score == doctest::Approx(0.2));
    const gst::frame_result cut = through(h.get(), filled(64 * 47, 51));
    CHECK(cut.verdict == verdict::unknown);
    CHECK(cut.reason == reason::integrity);
  }
}

TEST_CASE("dsmminfer: without a usable model it does not start, and says why") {
  start_with_double();
  const model_file damaged("nonsense"), cut("double 3");
  struct row {
    const char* file;
    GQuark domain;
    int code;
  };
  for (const row& r : {row{nullptr, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS},
                       {"/nowhere/part.dsmm", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND},
                       {"/", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ},
                       {damaged.path(), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE},
                       {cut.path(), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE}}) {
    GstElement* const element = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("testinfer", nullptr)));
    g_object_set(element, "model-file", r.file, nullptr);
    {
      bus_of bus(element);
      CHECK(gst_element_set_state(element, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
      GstMessage* const m = bus.next(GST_MESSAGE_ERROR);
      REQUIRE(m != nullptr);
      GError* error = nullptr;
      gst_message_parse_error(m, &error, nullptr);
      CHECK(g_error_matches(error, r.domain, r.code));
      g_error_free(error);
      gst_message_unref(m);
    }
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
  }
  CHECK(inspector_double::alive == 0);
}

TEST_CASE("dsmminfer: EOS without a frame, flush, and a segment that does not start at zero") {
  const model_file model(double_of(8, 8));
  {
    const harness h = make_harness(model.path(), "GRAY8", 8, 8);
    CHECK(gst_harness_push_event(h.get(), gst_event_new_eos()));
    CHECK(stat<guint64>(h->element, "frames") == 0);
    CHECK(stat<guint64>(h->element, "latency-p99") == 0);
  }
  const harness h = make_harness(model.path(), "GRAY8", 8, 8);
  through(h.get(), filled(64, 1));
  const int resets = inspector_double::resets;
  CHECK(gst_harness_push_event(h.get(), gst_event_new_flush_start()));
  CHECK(gst_harness_push_event(h.get(), gst_event_new_flush_stop(TRUE)));
  CHECK(inspector_double::resets == resets + 1);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 10 * GST_SECOND;
  CHECK(gst_harness_push_event(h.get(), gst_event_new_segment(&segment)));
  bus_of bus(h->element);
  GstBuffer* const b = filled(64, 255);
  GST_BUFFER_PTS(b) = 11 * GST_SECOND;
  CHECK(through(h.get(), b).verdict == verdict::fail);
  GstMessage* const m = bus.wait("dsmm-defect", 0);
  REQUIRE(m != nullptr);
  guint64 running = 0, pts = 0;
  CHECK(gst_structure_get(gst_message_get_structure(m), "running-time", G_TYPE_UINT64, &running, "pts", G_TYPE_UINT64,
                          &pts, nullptr));
  CHECK(running == GST_SECOND);
  CHECK(pts == 11 * GST_SECOND);
  gst_message_unref(m);
}

TEST_CASE("dsmminfer: messages on transitions only, at most ten a second") {
  const model_file model(double_of(8, 8));
  const harness h = make_harness(model.path(), "GRAY8", 8, 8);
  bus_of bus(h->element);
  for (std::uint64_t i = 0; i < 20; ++i) through(h.get(), filled(64, 255, i));
  CHECK(bus.count("dsmm-defect") == 1);
  for (std::uint64_t i = 20; i < 220; ++i) through(h.get(), filled(64, i % 2 == 0 ? 255 : 0, i));
  const int more = bus.count("dsmm-defect");
  CHECK(more >= 9);
  CHECK(more <= 20);
  g_object_set(h->element, "post-messages", FALSE, nullptr);
  for (std::uint64_t i = 220; i < 240; ++i) through(h.get(), filled(64, i % 2 == 0 ? 255 : 0, i));
  CHECK(bus.count("dsmm-defect") == 0);
}

TEST_CASE("dsmminfer: a deadline that is missed is UNKNOWN and said") {
  const model_file model(double_of(8, 8));
  start_with_double();
  GstElement* const element = gst_element_factory_make("testinfer", nullptr);
  g_object_set(element, "model-file", model.path(), "deadline", G_GUINT64_CONSTANT(1), nullptr);
  const harness h(gst_harness_new_with_element(element, "sink", "src"));
  gst_object_unref(element);
  gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=GRAY8,width=8,height=8,framerate=30/1");
  bus_of bus(h->element);
  const gst::frame_result r = through(h.get(), filled(64, 0));
  CHECK(r.verdict == verdict::unknown);
  CHECK(r.reason == reason::deadline);
  CHECK(bus.count("dsmm-deadline-missed") == 1);
  CHECK(stat<guint64>(h->element, "deadline-missed") == 1);
}

TEST_CASE("dsmminfer: with a live source the time since the PTS counts") {
  const model_file model(double_of(8, 8));
  for (const bool counted : {true, false}) {
    const harness h = make_harness(model.path(), "GRAY8", 8, 8);
    g_object_set(h->element, "age-from-pts", static_cast<gboolean>(counted), nullptr);
    gst_harness_use_testclock(h.get());
    gst_harness_set_time(h.get(), 2 * GST_SECOND);
    const gst::frame_result late = through(h.get(), filled(64, 0, 45));  // taken at 1.5 s
    CHECK((late.latency >= std::chrono::milliseconds(500)) == counted);
    CHECK((late.reason == reason::deadline) == counted);
    CHECK(through(h.get(), filled(64, 0, 61)).latency < std::chrono::milliseconds(400));  // from the future: age 0
  }
}

TEST_CASE("dsmminfer: latency is the budget, or what was measured, on top of upstream's") {
  const model_file model(double_of(8, 8));
  const harness h = make_harness(model.path(), "GRAY8", 8, 8);
  gst_harness_set_upstream_latency(h.get(), 33 * GST_MSECOND);
  CHECK(gst_harness_query_latency(h.get()) == 33 * GST_MSECOND);
  bus_of bus(h->element);
  for (std::uint64_t i = 0; i < 8; ++i) through(h.get(), filled(64, 0, i));
  GstMessage* const m = bus.next(GST_MESSAGE_LATENCY);
  CHECK(m != nullptr);
  if (m != nullptr) gst_message_unref(m);
  const GstClockTime measured = gst_harness_query_latency(h.get());
  CHECK(measured > 33 * GST_MSECOND);
  CHECK(measured >= 33 * GST_MSECOND + stat<guint64>(h->element, "busy-p99"));
  g_object_set(h->element, "latency-budget", 8 * GST_MSECOND, nullptr);
  CHECK(gst_harness_query_latency(h.get()) == 41 * GST_MSECOND);
}

TEST_CASE("dsmminfer: upstream is asked for video meta and 64-byte alignment, whatever is downstream") {
  const model_file model(double_of(641, 480));
  const harness h = make_harness(model.path(), "GRAY8", 641, 480);
  gst_harness_add_src_parse(
      h.get(),
      "videotestsrc num-buffers=4 ! capsfilter caps=video/x-raw,format=GRAY8,width=641,height=480,framerate=30/1",
      FALSE);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(gst_harness_push_from_src(h.get()) == GST_FLOW_OK);
    GstBuffer* const b = gst_harness_pull(h.get());
    GstMapInfo map;
    REQUIRE(gst_buffer_map(b, &map, GST_MAP_READ));
    CHECK(reinterpret_cast<std::uintptr_t>(map.data) % 64 == 0);
    gst_buffer_unmap(b, &map);
    CHECK(gst::read_result(b)->score > 0);
    gst_buffer_unref(b);
  }
}

TEST_CASE("dsmminfer: the map can be left behind, regions stay") {
  const model_file model(double_of(8, 8));
  const harness h = make_harness(model.path(), "GRAY8", 8, 8);
  for (const bool with : {true, false, true}) {
    g_object_set(h->element, "attach-map", static_cast<gboolean>(with), nullptr);
    REQUIRE(gst_harness_push(h.get(), filled(64, 255)) == GST_FLOW_OK);
    GstBuffer* const b = gst_harness_pull(h.get());
    const auto r = gst::read_result(b);
    CHECK((r->heat.data != nullptr) == with);
    CHECK(r->regions().size() == 1);
    CHECK(r->label == "scratch");
    CHECK(gst_buffer_get_video_region_of_interest_meta(b) != nullptr);
    gst_buffer_unref(b);
  }
}

TEST_CASE("dsmminfer: pixels are not copied, also behind a tee") {
  const model_file model(double_of(8, 8));
  const harness h = make_harness(model.path(), "GRAY8", 8, 8);
  GstBuffer* const b = filled(64, 7);
  gst_buffer_ref(b);  // as a tee does
  GstMemory* const memory = gst_buffer_peek_memory(b, 0);
  REQUIRE(gst_harness_push(h.get(), b) == GST_FLOW_OK);
  GstBuffer* const out = gst_harness_pull(h.get());
  CHECK(out != b);
  CHECK(gst_buffer_peek_memory(out, 0) == memory);
  CHECK_FALSE(gst::read_result(b));
  CHECK(gst::read_result(out));
  gst_buffer_unref(out);
  gst_buffer_unref(b);
}
