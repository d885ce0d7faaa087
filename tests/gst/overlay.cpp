// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dsmm/gst/overlay.hpp"
#include "infer_double.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

void register_overlay() {
  start_gstreamer();
  static const bool once = gst_element_register(nullptr, "testoverlay", GST_RANK_NONE, gst::type_of<gst::overlay>());
  static_cast<void>(once);
}

harness overlay_harness(const char* properties, const char* caps) {
  register_overlay();
  harness h(gst_harness_new_parse((std::string("testoverlay ") + properties).c_str()));
  gst_harness_set_src_caps_str(h.get(), caps);
  return h;
}

gst::frame_result failing() {
  static const std::vector<std::uint8_t> hot(64, 255);
  gst::frame_result r;
  r.verdict = verdict::fail;
  r.reason = reason::none;
  r.score = 0.9;
  r.threshold = 0.5;
  r.label = "scratch";
  r.product = "washer";
  r.heat = dense_view(hot.data(), {8, 8, 1});
  r.region_list[0] = {0.25f, 0.5f, 0.5f, 0.75f, 0.9f};
  r.region_count = 1;
  r.sensor_list[0] = {"vibration", sensor_health::good, {}};
  r.sensor_list[1] = {"torque", sensor_health::dead, std::chrono::seconds(3)};
  r.sensor_count = 2;
  return r;
}

/// What a buffer of one value looks like after the overlay.
std::vector<std::uint8_t> painted_bytes(GstHarness* h, std::size_t size, const gst::frame_result* r) {
  GstBuffer* const b = filled(size, 90);
  if (r != nullptr) REQUIRE(gst::attach_result(b, *r));
  REQUIRE(gst_harness_push(h, b) == GST_FLOW_OK);
  GstBuffer* const out = gst_harness_pull(h);
  std::vector<std::uint8_t> bytes(gst_buffer_get_size(out));
  gst_buffer_extract(out, 0, bytes.data(), bytes.size());
  gst_buffer_unref(out);
  return bytes;
}

}  // namespace

TEST_CASE("dsmmoverlay: paints what explain paints, on every format and an odd size") {
  for (const auto& [name, order] : {std::pair{"GRAY8", pixel_orders::gray8},
                                    {"BGR", pixel_orders::bgr},
                                    {"RGB", pixel_orders::rgb},
                                    {"BGRx", pixel_orders::bgrx},
                                    {"RGBx", pixel_orders::rgbx}}) {
    const harness h =
        overlay_harness("", (std::string("video/x-raw,width=341,height=261,framerate=30/1,format=") + name).c_str());
    GstVideoInfo info;
    gst_video_info_set_format(&info, gst_video_format_from_string(name), 341, 261);
    const gst::frame_result r = failing();
    const auto bytes = painted_bytes(h.get(), info.size, &r);
    std::vector<std::uint8_t> expected(info.size, 90);
    const canvas on(expected.data(), 341, 261, info.stride[0], order);
    blend_heat(on, r.heat, 204);
    draw_overlay(on, gst::result_scene(r).scene());
    CHECK(bytes == expected);
    CHECK(bytes != std::vector<std::uint8_t>(info.size, 90));
  }
}

TEST_CASE("dsmmoverlay: properties choose what is drawn") {
  const gst::frame_result r = failing();
  constexpr std::size_t size = 320 * 240;
  const std::vector<std::uint8_t> plain(size, 90);
  const char* const caps = "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1";
  const auto with = [&](const char* properties) {
    const harness h = overlay_harness(properties, caps);
    return painted_bytes(h.get(), size, &r);
  };
  CHECK(with("show-map=false show-boxes=false show-verdict=false") == plain);
  CHECK(with("opacity=0 show-boxes=false show-verdict=false") == plain);
  CHECK(with("show-boxes=false show-verdict=false") != plain);
  CHECK(with("show-map=false show-verdict=false") != plain);
  CHECK(with("show-map=false show-boxes=false") != plain);
  CHECK(with("show-map=false show-boxes=false scale=1") != with("show-map=false show-boxes=false scale=2"));
}

TEST_CASE("dsmmoverlay: frames without a result, and damaged ones, pass untouched") {
  const harness h = overlay_harness("", "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1");
  CHECK(painted_bytes(h.get(), 320 * 240, nullptr) == std::vector<std::uint8_t>(320 * 240, 90));
  const gst::frame_result r = failing();
  CHECK(painted_bytes(h.get(), 1000, &r) == std::vector<std::uint8_t>(1000, 90));
}

TEST_CASE("dsmmoverlay: a shared picture is copied before it is painted") {
  const harness h = overlay_harness("", "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1");
  GstBuffer* const b = filled(320 * 240, 90);
  REQUIRE(gst::attach_result(b, failing()));
  gst_buffer_ref(b);
  REQUIRE(gst_harness_push(h.get(), b) == GST_FLOW_OK);
  GstBuffer* const out = gst_harness_pull(h.get());
  CHECK(gst_buffer_memcmp(out, 0, std::vector<std::uint8_t>(320 * 240, 90).data(), 320 * 240) != 0);
  CHECK(gst_buffer_memcmp(b, 0, std::vector<std::uint8_t>(320 * 240, 90).data(), 320 * 240) == 0);
  gst_buffer_unref(out);
  gst_buffer_unref(b);
}

TEST_CASE("result_scene: the sensors that fail come first") {
  gst::frame_result r = failing();
  r.sensor_list[2] = {"current", sensor_health::late, {}};
  r.sensor_count = 3;
  const gst::result_scene scene(r);
  REQUIRE(scene.scene().sensors.size() == 3);
  CHECK(scene.scene().sensors[0].name == "torque");
  CHECK(scene.scene().sensors[1].name == "current");
  CHECK(scene.scene().sensors[2].name == "vibration");
  CHECK(scene.scene().tint == palette::fail);
  r.verdict = verdict::unknown;
  r.reason = reason::sensor;
  const gst::result_scene unknown(r);
  CHECK(unknown.scene().detail == "sensor");
  CHECK(unknown.scene().tint == palette::unknown);
}
