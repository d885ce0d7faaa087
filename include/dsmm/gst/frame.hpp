// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dsmm/config.hpp"
#include "dsmm/explain/canvas.hpp"
#include "dsmm/inspect/frame_view.hpp"

/// Caps of the pictures that dsmm reads and paints on.
#define DSMM_GST_VIDEO_CAPS GST_VIDEO_CAPS_MAKE("{ GRAY8, BGR, RGB, BGRx, RGBx }")

namespace dsmm::inline DSMM_ABI::gst {

inline std::optional<pixel_format> pixel_format_of(GstVideoFormat format) noexcept {
  switch (format) {
    case GST_VIDEO_FORMAT_GRAY8: return pixel_format::gray8;
    case GST_VIDEO_FORMAT_BGR: return pixel_format::bgr;
    case GST_VIDEO_FORMAT_RGB: return pixel_format::rgb;
    case GST_VIDEO_FORMAT_BGRx: return pixel_format::bgrx;
    case GST_VIDEO_FORMAT_RGBx: return pixel_format::rgbx;
    default: return std::nullopt;
  }
}

constexpr pixel_order order_of(pixel_format format) noexcept {
  switch (format) {
    case pixel_format::gray8: return pixel_orders::gray8;
    case pixel_format::bgr: return pixel_orders::bgr;
    case pixel_format::rgb: return pixel_orders::rgb;
    case pixel_format::bgrx: return pixel_orders::bgrx;
    case pixel_format::rgbx: return pixel_orders::rgbx;
    default: return {};  // not among the caps
  }
}

/// A buffer's picture while it is mapped, with the strides of its video meta if it has one. A buffer that is shorter
/// than its picture, or whose meta contradicts the caps, counts as damaged and gives no picture.
class mapped_frame {
public:
  mapped_frame(GstBuffer* buffer, const GstVideoInfo& info, GstMapFlags access) noexcept {
    const std::optional<pixel_format> format = pixel_format_of(GST_VIDEO_INFO_FORMAT(&info));
    if (!format || !meta_agrees(buffer, info)) return;
    mapped_ = gst_video_frame_map(&frame_, const_cast<GstVideoInfo*>(&info), buffer, access) != FALSE;
    if (!mapped_) return;
    data_ = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, 0));
    view_ = {data_, GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info), GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, 0),
             *format};
    whole_ = complete();
  }
  mapped_frame(const mapped_frame&) = delete;
  mapped_frame& operator=(const mapped_frame&) = delete;
  ~mapped_frame() {
    if (mapped_) gst_video_frame_unmap(&frame_);
  }

  /// True if every pixel may be read.
  bool whole() const noexcept { return whole_; }
  /// Valid if whole(), until destruction.
  const frame_view& view() const noexcept { return view_; }
  /// Valid if whole() and mapped for writing, until destruction.
  canvas paint() noexcept { return {data_, view_.width, view_.height, view_.stride, order_of(view_.format)}; }

private:
  static bool meta_agrees(GstBuffer* buffer, const GstVideoInfo& info) noexcept {
    const GstVideoMeta* const meta = gst_buffer_get_video_meta(buffer);
    return meta == nullptr || (meta->n_planes == 1 && meta->format == GST_VIDEO_INFO_FORMAT(&info) &&
                               meta->width == static_cast<guint>(GST_VIDEO_INFO_WIDTH(&info)) &&
                               meta->height == static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&info)));
  }
  /// GStreamer checks the size against the caps only where there is no video meta.
  bool complete() const noexcept {
    const std::ptrdiff_t row = std::ptrdiff_t{view_.width} * bytes_per_pixel(view_.format);
    const GstMapInfo& map = frame_.map[0];
    const std::ptrdiff_t there = static_cast<std::ptrdiff_t>(map.size) - (data_ - map.data);
    return view_.height > 0 && view_.stride >= row && view_.stride * (view_.height - 1) + row <= there;
  }

  GstVideoFrame frame_{};
  frame_view view_{};
  std::uint8_t* data_ = nullptr;
  bool mapped_ = false, whole_ = false;
};

}  // namespace dsmm::inline DSMM_ABI::gst
