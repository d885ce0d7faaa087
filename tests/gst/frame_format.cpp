// SPDX-License-Identifier: Apache-2.0
#include "dsmm/gst/frame_format.hpp"

#include <doctest/doctest.h>

#include "format_of_caps.hpp"

using namespace dsmm;
using namespace dsmm::test;

TEST_CASE("frame_format: the caps that the elements name, Bayer mosaics among them; anything else is nothing") {
  CHECK(format_of("video/x-raw,format=NV12,width=6,height=3,framerate=0/1")->pixels == pixel_format::nv12);
  CHECK(format_of("video/x-raw,format=BGRx,width=6,height=3,framerate=0/1")->pixels == pixel_format::bgrx);
  CHECK(format_of("video/x-bayer,format=grbg,width=6,height=3,framerate=0/1")->pixels == pixel_format::bayer_grbg);
  CHECK(format_of("video/x-bayer,format=bggr,width=6,height=3,framerate=0/1")->pixels == pixel_format::bayer_bggr);
  for (const char* caps : {"video/x-raw,format=I420,width=6,height=3,framerate=0/1", "video/x-raw",
                           "video/x-bayer,format=rggb", "video/x-bayer,format=rggb16le,width=6,height=3",
                           "video/x-bayer,width=6,height=3", "video/x-bayer,format=rggb,width=0,height=3",
                           "video/x-bayer,format=rggb,width=-4,height=3", "audio/x-raw", "EMPTY"})
    CHECK_FALSE(format_of(caps));
}
