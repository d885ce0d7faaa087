// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <optional>
#include <string_view>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/inspect/frame_view.hpp"

/// Caps of the pictures that dsmm paints on, and of those that it reads.
#define DSMM_GST_PAINT_CAPS GST_VIDEO_CAPS_MAKE("{ GRAY8, BGR, RGB, BGRx, RGBx }")
#define DSMM_GST_CAMERA_CAPS                                                                     \
  GST_VIDEO_CAPS_MAKE("{ GRAY8, BGR, RGB, BGRx, RGBx, NV12 }")                                   \
  "; video/x-bayer, format = (string) { rggb, bggr, grbg, gbrg }, width = " GST_VIDEO_SIZE_RANGE \
  ", height = " GST_VIDEO_SIZE_RANGE ", framerate = " GST_VIDEO_FPS_RANGE

namespace dsmm::inline DSMM_ABI::gst {

inline std::optional<pixel_format> pixel_format_of(GstVideoFormat format) noexcept {
  switch (format) {
    case GST_VIDEO_FORMAT_GRAY8: return pixel_format::gray8;
    case GST_VIDEO_FORMAT_BGR: return pixel_format::bgr;
    case GST_VIDEO_FORMAT_RGB: return pixel_format::rgb;
    case GST_VIDEO_FORMAT_BGRx: return pixel_format::bgrx;
    case GST_VIDEO_FORMAT_RGBx: return pixel_format::rgbx;
    case GST_VIDEO_FORMAT_NV12: return pixel_format::nv12;
    default: return std::nullopt;
  }
}

/// What caps say of a picture.
struct frame_format {
  GstVideoInfo info;  ///< a Bayer mosaic counts as grey: GStreamer lays out both alike
  pixel_format pixels;

  /// Nothing for formats that dsmm does not read.
  static std::optional<frame_format> from(const GstCaps* caps) noexcept {
    frame_format f{};
    if (gst_caps_is_empty(caps)) return std::nullopt;
    const GstStructure* const fields = gst_caps_get_structure(caps, 0);
    if (gst_structure_has_name(fields, "video/x-bayer")) return f.set_bayer(fields) ? std::optional(f) : std::nullopt;
    if (!gst_video_info_from_caps(&f.info, caps)) return std::nullopt;
    const std::optional<pixel_format> pixels = pixel_format_of(GST_VIDEO_INFO_FORMAT(&f.info));
    if (!pixels) return std::nullopt;
    f.pixels = *pixels;
    return f;
  }

private:
  bool set_bayer(const GstStructure* fields) noexcept {
    static constexpr std::pair<std::string_view, pixel_format> phases[] = {{"rggb", pixel_format::bayer_rggb},
                                                                           {"bggr", pixel_format::bayer_bggr},
                                                                           {"grbg", pixel_format::bayer_grbg},
                                                                           {"gbrg", pixel_format::bayer_gbrg}};
    const char* const name = gst_structure_get_string(fields, "format");
    gint width = 0, height = 0;
    if (name == nullptr || !gst_structure_get_int(fields, "width", &width) ||
        !gst_structure_get_int(fields, "height", &height) || width <= 0 || height <= 0)
      return false;
    for (const auto& [phase, format] : phases)
      if (phase == name) {
        pixels = format;
        return gst_video_info_set_format(&info, GST_VIDEO_FORMAT_GRAY8, static_cast<guint>(width),
                                         static_cast<guint>(height)) != FALSE;
      }
    return false;
  }
};

}  // namespace dsmm::inline DSMM_ABI::gst
