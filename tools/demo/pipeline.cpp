// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/pipeline.hpp"

#include <cmath>
#include <cstring>

#include "dsmm/gst/elements.hpp"

namespace dsmm::inline DSMM_ABI::demo {

namespace {

std::string sensor_caps(const line::sensor_stream& s) {
  const std::string channels = std::to_string(s.channels);
  if (s.regular)
    return "audio/x-raw,format=F32LE,layout=interleaved,rate=" + std::to_string(std::llround(s.rate_hz)) +
           ",channels=" + channels + (s.channels > 1 ? ",channel-mask=(bitmask)0x0" : "");
  return "application/x-dsmm-sensor,rate=(fraction)" + std::to_string(std::llround(s.rate_hz * 1000)) +
         "/1000,channels=" + channels;
}

GstBuffer* buffer_of(const void* bytes, std::size_t size, std::int64_t pts_ns) {
  GstBuffer* const buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_fill(buffer, 0, bytes, size);
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(pts_ns);
  return buffer;
}

}  // namespace

void line_pipeline::initialize() {
  static const bool once = [] {
    gst_init(nullptr, nullptr);
    return gst::register_static();
  }();
  static_cast<void>(once);
}

/// Live, the camera keeps the newest pictures and lets go of the oldest: a line that cannot keep up must not fall
/// behind for ever, and a part without a verdict is UNKNOWN. Without a clock the pipeline holds the camera back
/// instead; the sensors never are, because a frame may need samples that come after it.
GstAppSrc* line_pipeline::add_source(const std::string& name, const std::string& caps, bool live, bool camera) {
  GstElement* const source = gst_element_factory_make("appsrc", name.c_str());
  if (source == nullptr) return nullptr;
  GstCaps* const parsed = gst_caps_from_string(caps.c_str());
  g_object_set(source, "caps", parsed, "format", GST_FORMAT_TIME, "is-live", live ? TRUE : FALSE, "block",
               camera && !live ? TRUE : FALSE, "leaky-type",
               camera && live ? GST_APP_LEAKY_TYPE_DOWNSTREAM : GST_APP_LEAKY_TYPE_NONE, "max-buffers",
               guint64{camera ? 4u : 0u}, "max-bytes", guint64{0}, "max-time", guint64{0}, nullptr);
  gst_caps_unref(parsed);
  gst_bin_add(GST_BIN(pipeline_.get()), source);
  return GST_APP_SRC(source);
}

bool line_pipeline::build(const line::line_description& about, const player_options& options, line::complaint& why) {
  initialize();
  pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("line"))));
  GstBin* const bin = GST_BIN(pipeline_.get());
  const auto add = [&](const char* factory) {
    GstElement* const element = gst_element_factory_make(factory, nullptr);
    if (element != nullptr) gst_bin_add(bin, element);
    else why = {"a GStreamer element is missing", factory, "install gstreamer1.0-plugins-base"};
    return element;
  };
  GstElement* const fuse = add("dsmmfuse");
  GstElement* const sink = add("appsink");
  if (fuse == nullptr || sink == nullptr) return false;
  g_object_set(fuse, "window", static_cast<guint64>(about.window_ms) * 1'000'000, nullptr);
  // Not async: a live line has no picture yet when it starts, and waiting for one would cost a second.
  g_object_set(sink, "sync", FALSE, "async", FALSE, "max-buffers", 0u, nullptr);
  sink_ = GST_APP_SINK(sink);
  GstElement* last = fuse;
  if (!options.model_file.empty()) {
    GstElement* const infer = add("dsmminfer");
    if (infer == nullptr) return false;
    g_object_set(infer, "model-file", options.model_file.c_str(), "deadline",
                 static_cast<guint64>(options.deadline_ms * 1e6), nullptr);
    gst_element_link(fuse, infer);
    last = infer;
  }
  gst_element_link(last, sink);

  // An appsrc is a queue with a thread of its own: no further one is needed.
  const auto connect = [&](GstAppSrc* source, const char* pad) {
    return source != nullptr && gst_element_link_pads(GST_ELEMENT(source), "src", fuse, pad);
  };
  const bool live = options.live();
  camera_ = add_source("camera",
                       "video/x-raw,format=GRAY8,width=" + std::to_string(about.width) +
                           ",height=" + std::to_string(about.height) + ",framerate=" + std::to_string(about.fps) + "/1",
                       live, true);
  bool linked = connect(camera_, "video");
  for (std::size_t i = 0; i < about.sensors.size() && linked; ++i) {
    const std::string pad = "sensor_" + std::to_string(i);
    object_ref<GstPad> sink_pad(gst_element_request_pad_simple(fuse, pad.c_str()));
    linked = sink_pad != nullptr;
    if (!linked) break;
    g_object_set(sink_pad.get(), "sensor-name", about.sensors[i].name.c_str(), nullptr);
    sensors_.push_back(add_source(about.sensors[i].name, sensor_caps(about.sensors[i]), live, false));
    linked = connect(sensors_.back(), pad.c_str());
  }
  if (!linked)
    why = {"the line's pipeline could not be linked", about.title,
           "check the GStreamer installation with gst-inspect-1.0"};
  return linked;
}

line_pipeline::~line_pipeline() {
  if (pipeline_ != nullptr) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

bool line_pipeline::push_picture(const line::picture& picture, std::int64_t pts_ns, std::uint64_t id) {
  GstBuffer* const buffer = buffer_of(picture.pixels.data(), picture.pixels.size(), pts_ns);
  GST_BUFFER_OFFSET(buffer) = id;
  if (picture.damaged) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
  return gst_app_src_push_buffer(camera_, buffer) == GST_FLOW_OK;
}

bool line_pipeline::push_chunk(std::size_t sensor, const line::sensor_chunk& chunk, std::int64_t pts_ns) {
  return gst_app_src_push_buffer(sensors_[sensor], buffer_of(chunk.values.data(), chunk.values.size() * sizeof(float),
                                                             pts_ns)) == GST_FLOW_OK;
}

void line_pipeline::end_sensor(std::size_t sensor) { gst_app_src_end_of_stream(sensors_[sensor]); }

void line_pipeline::end() {
  for (GstAppSrc* sensor : sensors_) gst_app_src_end_of_stream(sensor);
  gst_app_src_end_of_stream(camera_);
}

std::string line_pipeline::poll(run_result& result) {
  const object_ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  std::string trouble;
  while (GstMessage* const message = gst_bus_pop(bus.get())) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && trouble.empty()) {
      GError* error = nullptr;
      gchar* debug = nullptr;
      gst_message_parse_error(message, &error, &debug);
      trouble = error->message;
      g_clear_error(&error);
      g_free(debug);
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) {
      gst_bin_recalculate_latency(GST_BIN(pipeline_.get()));
    } else if (gst_message_has_name(message, "dsmm-sensor-stale")) {
      ++result.stale;
    } else if (gst_message_has_name(message, "dsmm-sensor-recovered")) {
      ++result.recovered;
    }
    gst_message_unref(message);
  }
  return trouble;
}

}  // namespace dsmm::inline DSMM_ABI::demo
