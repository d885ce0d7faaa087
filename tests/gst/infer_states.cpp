// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "dsmm/gst/overlay.hpp"
#include "dsmm/gst/result_meta.hpp"
#include "infer_double.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

/// Runs a pipeline to EOS or an error; true if it was EOS.
bool run(const std::string& description) {
  GError* error = nullptr;
  GstElement* const pipeline = gst_parse_launch(description.c_str(), &error);
  REQUIRE(error == nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* const bus = gst_element_get_bus(pipeline);
  GstMessage* const m = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND,
                                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const bool eos = m != nullptr && GST_MESSAGE_TYPE(m) == GST_MESSAGE_EOS;
  if (m != nullptr) gst_message_unref(m);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return eos;
}

}  // namespace

TEST_CASE("dsmminfer: a hundred times up and down, with frames between, keeps nothing") {
  start_with_double();
  const model_file model("double 8 8 0 0");
  GstElement* const element = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("testinfer", nullptr)));
  g_object_set(element, "model-file", model.path(), nullptr);
  for (int i = 0; i < 100; ++i) {
    harness h(gst_harness_new_with_element(element, "sink", "src"));
    gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=GRAY8,width=8,height=8,framerate=30/1");
    for (int f = 0; f < i % 3; ++f) {
      REQUIRE(gst_harness_push(h.get(), filled(64, 1)) == GST_FLOW_OK);
      gst_buffer_unref(gst_harness_pull(h.get()));
    }
    CHECK(inspector_double::alive == 1);
    h.reset();
    gst_element_set_state(element, GST_STATE_NULL);
    CHECK(inspector_double::alive == 0);
  }
  gst_object_unref(element);
}

TEST_CASE("dsmminfer: a videoscale before it learns the model's size") {
  start_with_double();
  const model_file model("double 48 32 0 0");
  const std::string infer = std::string("testinfer model-file=") + model.path();
  CHECK(run("videotestsrc num-buffers=3 ! videoscale ! videoconvert ! " + infer + " ! fakesink"));
  CHECK_FALSE(
      run("videotestsrc num-buffers=3 ! video/x-raw,format=GRAY8,width=320,height=240 ! " + infer + " ! fakesink"));
}

TEST_CASE("dsmminfer: QoS from a late sink skips no frame, even if somebody switches it on") {
  start_with_double();
  const model_file model("double 8 8 0 0");
  const harness h = make_harness(model.path(), "GRAY8", 8, 8);
  g_object_set(h->element, "qos", TRUE, nullptr);
  for (std::uint64_t i = 0; i < 20; ++i) {
    gst_harness_push_upstream_event(
        h.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 10.0, GST_SECOND, gst_util_uint64_scale(i, GST_SECOND, 30)));
    REQUIRE(gst_harness_push(h.get(), filled(64, 1, i)) == GST_FLOW_OK);
    GstBuffer* const out = gst_harness_try_pull(h.get());
    REQUIRE(out != nullptr);
    CHECK(gst::read_result(out));
    gst_buffer_unref(out);
  }
}

TEST_CASE("dsmminfer: ten in one process, each with its own stream and model") {
  start_with_double();
  std::vector<std::thread> lines;
  std::atomic<int> wrong{0};
  for (int n = 0; n < 10; ++n)
    lines.emplace_back([n, &wrong] {
      const model_file model("double 8 8 0." + std::to_string(n) + " 0");
      const harness h = make_harness(model.path(), "GRAY8", 8, 8);
      for (std::uint64_t i = 0; i < 200; ++i) {
        gst_harness_push(h.get(), filled(64, 51, i));
        GstBuffer* const out = gst_harness_pull(h.get());
        const auto r = gst::read_result(out);
        if (!r || std::abs(r->score - 0.2 - n / 10.0) > 1e-6) ++wrong;
        gst_buffer_unref(out);
      }
    });
  for (std::thread& line : lines) line.join();
  CHECK(wrong == 0);
  CHECK(inspector_double::alive == 0);
}

TEST_CASE("seek in a running pipeline: frames before and after are judged") {
  start_with_double();
  const model_file model("double 320 240 0 0");
  const std::string text = std::string(
                               "videotestsrc num-buffers=60 ! video/x-raw,format=GRAY8,framerate=30/1 ! testinfer "
                               "name=i model-file=") +
                           model.path() + " ! fakesink sync=false";
  GstElement* const pipeline = gst_parse_launch(text.c_str(), nullptr);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  REQUIRE(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS);
  CHECK(gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SECOND));
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* const bus = gst_element_get_bus(pipeline);
  GstMessage* const m = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND,
                                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  REQUIRE(m != nullptr);
  CHECK(GST_MESSAGE_TYPE(m) == GST_MESSAGE_EOS);
  gst_message_unref(m);
  GstElement* const infer = gst_bin_get_by_name(GST_BIN(pipeline), "i");
  GstStructure* s = nullptr;
  g_object_get(infer, "stats", &s, nullptr);
  guint64 frames = 0;
  CHECK(gst_structure_get(s, "frames", G_TYPE_UINT64, &frames, nullptr));
  CHECK(frames >= 50);
  gst_structure_free(s);
  gst_object_unref(infer);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
