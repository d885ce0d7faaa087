// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/check/gstharness.h>
#include <gst/check/gsttestclock.h>
#include <gst/gst.h>

#include <cstring>
#include <string>
#include <vector>

#include "dsmm/gst/fuse.hpp"
#include "tests/gst/started.hpp"

namespace dsmm::test {

inline constexpr const char* frame_caps = "video/x-raw,format=GRAY8,width=16,height=16,framerate=30/1";
inline constexpr const char* vibration_caps =
    "audio/x-raw,format=F32LE,rate=1000,channels=1,layout=interleaved,channel-mask=(bitmask)0x0";

/// A dsmmfuse with a camera and any number of sensors, all driven by hand, on a clock that moves when told.
class fuse_line {
public:
  explicit fuse_line(bool live = true, const char* properties = nullptr) : live_(live) {
    start_gstreamer();
    element_ = GST_ELEMENT(g_object_new(gst::type_of<gst::fuse>(), nullptr));
    gst_object_ref_sink(element_);
    if (properties != nullptr) set(properties);
    bus_ = gst_bus_new();
    gst_element_set_bus(element_, bus_);
    video = gst_harness_new_with_element(element_, "video", "src");
    gst_harness_use_testclock(video);
    gst_harness_set_live(video, live ? TRUE : FALSE);
    gst_harness_set_src_caps_str(video, frame_caps);
  }
  ~fuse_line() {
    gst_element_set_bus(element_, nullptr);
    gst_bus_set_flushing(bus_, TRUE);
    for (GstHarness* h : sensors) gst_harness_teardown(h);
    gst_harness_teardown(video);
    gst_object_unref(element_);
    gst_object_unref(bus_);
  }
  fuse_line(const fuse_line&) = delete;
  fuse_line& operator=(const fuse_line&) = delete;

  GstElement* element() const { return element_; }

  /// "name=value name=value" on the element, before it plays.
  void set(const std::string& text) {
    gchar** const rows = g_strsplit(text.c_str(), " ", -1);
    for (gchar** row = rows; *row != nullptr; ++row) {
      gchar** const pair = g_strsplit(*row, "=", 2);
      gst_util_set_object_arg(G_OBJECT(element_), pair[0], pair[1]);
      g_strfreev(pair);
    }
    g_strfreev(rows);
  }

  /// `properties` go to the pad.
  GstHarness* add_sensor(const char* caps = vibration_caps, const char* properties = nullptr) {
    const std::string name = "sensor_" + std::to_string(sensors.size());
    GstPad* const pad = gst_element_request_pad_simple(element_, name.c_str());
    if (properties != nullptr) {
      gchar** const pair = g_strsplit(properties, "=", 2);
      gst_util_set_object_arg(G_OBJECT(pad), pair[0], pair[1]);
      g_strfreev(pair);
    }
    GstHarness* const h = gst_harness_new_with_element(element_, name.c_str(), nullptr);
    gst_harness_set_live(h, live_ ? TRUE : FALSE);
    gst_harness_set_src_caps_str(h, caps);
    gst_object_unref(pad);
    sensors.push_back(h);
    return h;
  }

  void play() { gst_harness_play(video); }

  GstFlowReturn frame(GstClockTime pts) {
    GstBuffer* const b = gst_harness_create_buffer(video, 256);
    gst_buffer_memset(b, 0, 0, 256);
    GST_BUFFER_PTS(b) = pts;
    GST_BUFFER_DURATION(b) = 33 * GST_MSECOND;
    return gst_harness_push(video, b);
  }

  template <class T>
  static GstFlowReturn samples(GstHarness* sensor, GstClockTime pts, const std::vector<T>& values, guint flags = 0) {
    GstBuffer* const b =
        values.empty() ? gst_buffer_new() : gst_buffer_new_memdup(values.data(), values.size() * sizeof(T));
    GST_BUFFER_PTS(b) = pts;
    GST_BUFFER_FLAG_SET(b, flags);
    return gst_harness_push(sensor, b);
  }
  /// `ms` samples of the 1 kHz sensor whose value is their time in ms.
  static GstFlowReturn ramp(GstHarness* sensor, int from_ms, int ms) {
    std::vector<float> v;
    for (int i = from_ms; i < from_ms + ms; ++i) v.push_back(static_cast<float>(i));
    return samples(sensor, static_cast<GstClockTime>(from_ms) * GST_MSECOND, v);
  }

  /// The next frame that came out; unref it.
  GstBuffer* pull() { return gst_harness_pull(video); }

  /// What the bus says next of the kind, as text; "" if nothing.
  std::string message(GstMessageType type = GST_MESSAGE_ELEMENT) {
    GstMessage* const m = gst_bus_pop_filtered(bus_, type);
    if (m == nullptr) return "";
    std::string text;
    if (type == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(m, &error, nullptr);
      text = error->message;
      g_error_free(error);
    } else {
      const GstStructure* const s = gst_message_get_structure(m);
      text = std::string(gst_structure_get_name(s)) + " " + gst_structure_get_string(s, "sensor") + " " +
             gst_structure_get_string(s, "health");
    }
    gst_message_unref(m);
    return text;
  }

  guint64 stat(const char* sensor, const char* field) {
    GstStructure* all = nullptr;
    g_object_get(element_, "stats", &all, nullptr);
    guint64 value = 0;
    if (sensor == nullptr) gst_structure_get_uint64(all, field, &value);
    else gst_structure_get_uint64(gst_value_get_structure(gst_structure_get_value(all, sensor)), field, &value);
    gst_structure_free(all);
    return value;
  }

  GstHarness* video = nullptr;
  std::vector<GstHarness*> sensors;

private:
  GstElement* element_ = nullptr;
  GstBus* bus_ = nullptr;
  bool live_;
};

}  // namespace dsmm::test
