// SPDX-License-Identifier: Apache-2.0
#include "dsmm/gst/frame.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>

#include "format_of_caps.hpp"
#include "infer_double.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

struct unref {
  void operator()(GstBuffer* b) const { gst_buffer_unref(b); }
};
using buffer = std::unique_ptr<GstBuffer, unref>;

/// 6 x 3 pixels in NV12 with `gap` bytes behind each row: luma 126, u 128, v 90 + 10 * row of pairs.
buffer nv12(std::size_t gap, bool meta) {
  gint stride[4] = {6 + static_cast<gint>(gap), 6 + static_cast<gint>(gap), 0, 0};
  gsize offset[4] = {0, static_cast<gsize>(stride[0]) * 3, 0, 0};
  buffer b(filled(offset[1] + static_cast<gsize>(stride[1]) * 2, 0));
  for (gsize y = 0; y < 3; ++y) gst_buffer_memset(b.get(), y * static_cast<gsize>(stride[0]), 126, 6);
  for (gsize y = 0; y < 2; ++y)
    for (gsize x = 0; x < 6; x += 2) {
      gst_buffer_memset(b.get(), offset[1] + y * static_cast<gsize>(stride[1]) + x, 128, 1);
      gst_buffer_memset(b.get(), offset[1] + y * static_cast<gsize>(stride[1]) + x + 1,
                        static_cast<guint8>(90 + 10 * y), 1);
    }
  if (meta)
    gst_buffer_add_video_meta_full(b.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 6, 3, 2, offset, stride);
  return b;
}

}  // namespace

TEST_CASE(
    "mapped_frame: both planes of NV12, with rows as GStreamer packs them or as a meta says; colours by the caps") {
  for (const char* colours : {"bt601", "bt709", "1:4:0:0"}) {
    const auto format = format_of(
        (std::string("video/x-raw,format=NV12,width=6,height=3,framerate=0/1,colorimetry=") + colours).c_str());
    REQUIRE(format);
    // Without a meta rows are padded to four bytes and three rows of luma to four.
    const buffer plain(filled(format->info.size, 128)), spread = nv12(5, true);
    CHECK(gst::mapped_frame(plain.get(), *format, GST_MAP_READ).whole());
    const gst::mapped_frame frame(spread.get(), *format, GST_MAP_READ);
    REQUIRE(frame.whole());
    CHECK(frame.view().stride == 11);
    CHECK(frame.view().chroma_stride == 11);
    CHECK(frame.view().chroma[12] == 100);
    CHECK(frame.view().hd_colours == (std::strcmp(colours, "bt709") == 0));
    CHECK(frame.view().full_range == (colours[0] == '1'));
  }
}

TEST_CASE("mapped_frame: NV12 whose second plane is cut, or whose meta has one plane, gives no picture") {
  const auto format = format_of("video/x-raw,format=NV12,width=6,height=3,framerate=0/1");
  REQUIRE(format);
  for (const bool meta : {true, false}) {
    const buffer whole = nv12(2, meta);  // a pitch of 8 is what GStreamer packs
    const buffer cut(gst_buffer_copy_region(whole.get(), GST_BUFFER_COPY_ALL, 0, gst_buffer_get_size(whole.get()) - 9));
    CHECK_FALSE(gst::mapped_frame(cut.get(), *format, GST_MAP_READ).whole());
  }
  gint stride[4] = {8, 0, 0, 0};
  gsize offset[4] = {0, 0, 0, 0};
  const buffer one(filled(format->info.size, 128));
  gst_buffer_add_video_meta_full(one.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 6, 3, 1, offset, stride);
  CHECK_FALSE(gst::mapped_frame(one.get(), *format, GST_MAP_READ).whole());
}
