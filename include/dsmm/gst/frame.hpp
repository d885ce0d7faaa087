// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/explain/canvas.hpp"
#include "dsmm/gst/frame_format.hpp"
#include "dsmm/inspect/frame_view.hpp"

namespace dsmm::inline DSMM_ABI::gst {

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
  mapped_frame(GstBuffer* buffer, const frame_format& format, GstMapFlags access) noexcept {
    const GstVideoInfo& info = format.info;
    if (!meta_agrees(buffer, info)) return;
    mapped_ = gst_video_frame_map(&frame_, const_cast<GstVideoInfo*>(&info), buffer, access) != FALSE;
    if (!mapped_) return;
    data_ = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, 0));
    view_ = {data_, GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info), GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, 0),
             format.pixels};
    if (format.pixels == pixel_format::nv12) {
      view_.chroma = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, 1));
      view_.chroma_stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, 1);
      view_.hd_colours = info.colorimetry.matrix == GST_VIDEO_COLOR_MATRIX_BT709;
      view_.full_range = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
    }
    whole_ =
        view_.complete() &&
        complete(0, data_, view_.stride, view_.height, std::ptrdiff_t{view_.width} * bytes_per_pixel(view_.format)) &&
        (view_.chroma == nullptr || complete(1, view_.chroma, view_.chroma_stride, (view_.height + 1) / 2,
                                             (std::ptrdiff_t{view_.width} + 1) / 2 * 2));
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
    return meta == nullptr ||
           (meta->n_planes == GST_VIDEO_INFO_N_PLANES(&info) && meta->format == GST_VIDEO_INFO_FORMAT(&info) &&
            meta->width == static_cast<guint>(GST_VIDEO_INFO_WIDTH(&info)) &&
            meta->height == static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&info)));
  }
  /// Whether a plane's rows lie in its memory: GStreamer checks the size against the caps only where there is no video
  /// meta, and then all planes are one piece.
  bool complete(guint plane, const std::uint8_t* data, std::ptrdiff_t stride, std::int32_t rows,
                std::ptrdiff_t row) const noexcept {
    const GstMapInfo& map = frame_.map[frame_.meta != nullptr ? plane : 0];
    const std::ptrdiff_t there = static_cast<std::ptrdiff_t>(map.size) - (data - map.data);
    return rows > 0 && stride >= row && data >= map.data && stride * (rows - 1) + row <= there;
  }

  GstVideoFrame frame_{};
  frame_view view_{};
  std::uint8_t* data_ = nullptr;
  bool mapped_ = false, whole_ = false;
};

}  // namespace dsmm::inline DSMM_ABI::gst
