// SPDX-License-Identifier: Apache-2.0
//
// What dsmmfuse adds to a frame: 640 x 480 frames at 30/s with six channels at 20 kHz in 5 ms chunks, against the same
// frames through an identity.
#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "dsmm/gst/fuse.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

double microseconds(clock_type::time_point a, clock_type::time_point b) {
  return std::chrono::duration<double, std::micro>(b - a).count();
}

void report(const char* name, std::vector<double>& v) {
  std::sort(v.begin(), v.end());
  const auto at = [&](double q) { return v[static_cast<std::size_t>(q * static_cast<double>(v.size() - 1))]; };
  std::printf("%-44s p50 %8.2f  p99 %8.2f  max %8.2f us\n", name, at(0.5), at(0.99), v.back());
}

void measure(const char* name, GstElement* element, const char* sink, bool with_sensor) {
  gst_object_ref_sink(element);
  GstHarness* const video = gst_harness_new_with_element(element, sink, "src");
  GstHarness* const sensor = with_sensor ? gst_harness_new_with_element(element, "sensor_0", nullptr) : nullptr;
  gst_harness_set_src_caps_str(video, "video/x-raw,format=GRAY8,width=640,height=480,framerate=30/1");
  if (sensor != nullptr)
    gst_harness_set_src_caps_str(
        sensor, "audio/x-raw,format=F32LE,rate=20000,channels=6,layout=interleaved,channel-mask=(bitmask)0x0");
  gst_harness_play(video);
  const std::vector<float> samples(100 * 6, 0.5f);
  std::vector<double> frame, chunk;
  GstClockTime sent = 0;
  for (guint64 i = 0; i < 1'000; ++i) {
    const GstClockTime pts = GST_SECOND + i * GST_SECOND / 30;
    for (; sensor != nullptr && sent <= pts; sent += 5 * GST_MSECOND) {
      GstBuffer* const b = gst_buffer_new_memdup(samples.data(), samples.size() * sizeof(float));
      GST_BUFFER_PTS(b) = sent;
      const auto start = clock_type::now();
      gst_harness_push(sensor, b);
      if (i > 100) chunk.push_back(microseconds(start, clock_type::now()));
    }
    GstBuffer* const b = gst_harness_create_buffer(video, 640 * 480);
    GST_BUFFER_PTS(b) = pts;
    const auto start = clock_type::now();
    gst_harness_push(video, b);
    GstBuffer* const out = gst_harness_pull(video);
    if (i > 100) frame.push_back(microseconds(start, clock_type::now()));
    gst_buffer_unref(out);
  }
  report(name, frame);
  if (!chunk.empty()) report("  each 5 ms chunk", chunk);
  if (sensor != nullptr) gst_harness_teardown(sensor);
  gst_harness_teardown(video);
  gst_object_unref(element);
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const auto fuse = [](guint64 window_ms) {
    auto* const element = GST_ELEMENT(g_object_new(dsmm::gst::type_of<dsmm::gst::fuse>(), nullptr));
    g_object_set(element, "window", window_ms * GST_MSECOND, nullptr);
    return element;
  };
  measure("identity", gst_element_factory_make("identity", nullptr), "sink", false);
  measure("dsmmfuse, no sensor", fuse(200), "video", false);
  measure("dsmmfuse, 6 channels x 20 kHz, 50 ms window", fuse(50), "video", true);
  measure("dsmmfuse, 6 channels x 20 kHz, 200 ms window", fuse(200), "video", true);
  measure("dsmmfuse, 6 channels x 20 kHz, 1 s window", fuse(1000), "video", true);
}
