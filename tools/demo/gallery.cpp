// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/gallery.hpp"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

#include <algorithm>

#include "dsmm/gst/sensor_meta.hpp"
#include "tools/demo/pipeline.hpp"
#include "tools/demo/traces.hpp"
#include "tools/report/png.hpp"

namespace dsmm::inline DSMM_ABI::demo {

namespace {

/// The picture at most 360 pixels wide, averaged over areas.
std::vector<std::uint8_t> preview_of(const std::uint8_t* rgb, int width, int height, std::ptrdiff_t stride) {
  const int w = std::min(width, 360), h = std::max(1, height * w / width);
  std::vector<std::uint8_t> small(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3);
  std::size_t out = 0;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int c = 0; c < 3; ++c) {
        int sum = 0, n = 0;
        for (int v = y * height / h; v < std::max((y + 1) * height / h, y * height / h + 1); ++v)
          for (int u = x * width / w; u < std::max((x + 1) * width / w, x * width / w + 1); ++u, ++n)
            sum += rgb[v * stride + u * 3 + c];
        small[out++] = static_cast<std::uint8_t>((sum + n / 2) / n);
      }
  return report::encode_png(small.data(), w, h, std::ptrdiff_t{w} * 3);
}

/// appsrc ! videoconvert ! dsmmoverlay ! appsink
class overlay_pipeline {
public:
  bool build(const line::line_description& about) {
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("gallery"))));
    GstElement* const source = gst_element_factory_make("appsrc", nullptr);
    GstElement* const convert = gst_element_factory_make("videoconvert", nullptr);
    GstElement* const overlay = gst_element_factory_make("dsmmoverlay", nullptr);
    GstElement* const sink = gst_element_factory_make("appsink", nullptr);
    for (GstElement* const e : {source, convert, overlay, sink})
      if (e == nullptr || !gst_bin_add(GST_BIN(pipeline_.get()), e)) return false;
    source_ = GST_APP_SRC(source), sink_ = GST_APP_SINK(sink);
    GstCaps* const grey =
        gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "GRAY8", "width", G_TYPE_INT, about.width, "height",
                            G_TYPE_INT, about.height, "framerate", GST_TYPE_FRACTION, 0, 1, nullptr);
    GstCaps* const rgb = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "RGB", nullptr);
    g_object_set(source, "caps", grey, "format", GST_FORMAT_TIME, nullptr);
    g_object_set(sink, "caps", rgb, "sync", FALSE, nullptr);
    gst_caps_unref(grey);
    gst_caps_unref(rgb);
    return gst_element_link_many(source, convert, overlay, sink, nullptr) &&
           gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  }
  ~overlay_pipeline() {
    if (pipeline_ != nullptr) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  /// Draws onto a copy of the frame. Returns false if nothing came back within five seconds.
  bool draw(GstBuffer* frame, gallery_item& item) {
    if (gst_app_src_push_buffer(source_, gst_buffer_copy(frame)) != GST_FLOW_OK) return false;
    GstSample* const sample = gst_app_sink_try_pull_sample(sink_, 5 * GST_SECOND);
    if (sample == nullptr) return false;
    GstVideoInfo info;
    GstVideoFrame picture;
    const bool mapped = gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) &&
                        gst_video_frame_map(&picture, &info, gst_sample_get_buffer(sample), GST_MAP_READ);
    if (mapped) {
      const auto* const rgb = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&picture, 0));
      const int w = GST_VIDEO_FRAME_WIDTH(&picture), h = GST_VIDEO_FRAME_HEIGHT(&picture);
      const std::ptrdiff_t stride = GST_VIDEO_FRAME_PLANE_STRIDE(&picture, 0);
      item.overlay = report::encode_png(rgb, w, h, stride);
      item.preview = preview_of(rgb, w, h, stride);
      gst_video_frame_unmap(&picture);
    }
    gst_sample_unref(sample);
    return !item.overlay.empty() && !item.preview.empty();
  }

private:
  object_ref<GstElement> pipeline_;
  GstAppSrc* source_ = nullptr;
  GstAppSink* sink_ = nullptr;
};

}  // namespace

bool make_gallery(const std::vector<exhibit>& exhibits, const line::line_description& about, double stroke_ms,
                  std::vector<gallery_item>& out, line::complaint& why) {
  line_pipeline::initialize();
  overlay_pipeline pipeline;
  why = {"the overlays of the report could not be drawn", "dsmmoverlay", "install gstreamer1.0-plugins-base"};
  if (exhibits.empty()) return true;
  if (!pipeline.build(about)) return false;
  for (const exhibit& e : exhibits) {
    gallery_item item{e.part, {}, {}, {}};
    if (!pipeline.draw(e.frame.get(), item)) return false;
    const auto sensors = gst::sensors_of(e.frame.get());
    if (!sensors.empty())
      item.traces = sensor_traces(sensors, std::min(3 * stroke_ms, static_cast<double>(about.window_ms)), stroke_ms);
    out.push_back(std::move(item));
  }
  return true;
}

}  // namespace dsmm::inline DSMM_ABI::demo
