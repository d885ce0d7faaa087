// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "dsmm/gst/infer.hpp"
#include "dsmm/gst/sensor_meta.hpp"
#include "infer_double.hpp"
#include "tests/inspect/sample_line.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

/// Frames and joined sensor windows of a made-up line, 60 frames a second.
class made_up_line {
public:
  made_up_line() {
    rng random(5);
    for (std::size_t s = 0; s < 3; ++s) {
      values_[s].resize(static_cast<std::size_t>(rates[s]) * channels[s]);
      for (float& v : values_[s]) v = random.normal();
    }
  }

  std::vector<std::uint8_t> picture(std::uint64_t frame) const {
    rng random(100 + frame);
    std::vector<std::uint8_t> p(static_cast<std::size_t>(samples::line_size * samples::line_size));
    for (auto& v : p) v = static_cast<std::uint8_t>(20 + random.below(200));
    return p;
  }
  /// The last 100 ms of every sensor before a frame.
  std::array<sensor_span, 3> window(std::uint64_t frame) const {
    std::array<sensor_span, 3> spans;
    for (std::size_t s = 0; s < 3; ++s) {
      const auto end = static_cast<std::int64_t>(static_cast<double>(frame) * rates[s] / 60);
      const auto begin = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(rates[s] / 10));
      spans[s] = {names[s],
                  rates[s],
                  channels[s],
                  begin,
                  static_cast<std::size_t>(end - begin),
                  values_[s].data() + begin * channels[s],
                  std::chrono::milliseconds(1),
                  sensor_health::good};
    }
    return spans;
  }

private:
  static constexpr std::array<const char*, 3> names{"vibration", "force", "heat"};
  static constexpr std::array<double, 3> rates{20'000, 1'000, 100};
  static constexpr std::array<std::uint32_t, 3> channels{3, 1, 1};
  std::array<std::vector<float>, 3> values_;
};

}  // namespace

TEST_CASE("dsmminfer with a real model gives the bits that the inspector gives, at any number of threads") {
  start_gstreamer();
  gst_element_register(nullptr, "lineinfer", GST_RANK_NONE, gst::type_of<gst::infer>());
  const auto file = samples::line_net("1e30").finish();
  REQUIRE(file);
  const model_file model(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()));
  inspector_options options;
  options.deadline = std::chrono::nanoseconds::max();
  for (const guint threads : {1u, 3u}) {
    auto direct = inspector::open(file->bytes(), options);
    REQUIRE(direct);
    GstElement* const element = gst_element_factory_make("lineinfer", nullptr);
    g_object_set(element, "model-file", model.path(), "threads", threads, "deadline", G_GUINT64_CONSTANT(0), nullptr);
    const harness h(gst_harness_new_with_element(element, "sink", "src"));
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=GRAY8,width=64,height=64,framerate=60/1");
    const made_up_line line;
    gst::sensor_block_pool pool;
    for (std::uint64_t frame = 6; frame < 50; ++frame) {
      const auto picture = line.picture(frame);
      const auto spans = line.window(frame);
      const bool joined = frame % 7 != 0;  // every seventh frame has lost its sensors
      GstBuffer* const in = gst_buffer_new_memdup(picture.data(), picture.size());
      GST_BUFFER_PTS(in) = frame * GST_SECOND / 60;
      if (joined) {
        gst::shared_sensor_block* const shared = pool.take();
        shared->block.assign({std::chrono::nanoseconds(frame * GST_SECOND / 60), true, false, spans});
        REQUIRE(gst::attach_sensors(in, shared));
      }
      const inspection& expected = direct->inspect(
          {picture.data(), 64, 64, 64, pixel_format::gray8},
          joined ? std::span<const sensor_span>(spans) : std::span<const sensor_span>(), {frame, steady_now(), false});
      REQUIRE(gst_harness_push(h.get(), in) == GST_FLOW_OK);
      GstBuffer* const out = gst_harness_pull(h.get());
      const auto r = gst::read_result(out);
      REQUIRE(r);
      CHECK(r->verdict == expected.verdict);
      CHECK(r->reason == expected.reason);
      CHECK(r->verdict == (joined ? verdict::pass : verdict::unknown));
      CHECK(r->score == double{expected.score});
      CHECK(r->image_score == double{expected.image_score});
      CHECK(r->product == "sample");
      CHECK(r->model == direct->identity());
      CHECK(r->sensors().size() == (joined ? 3 : 0));
      REQUIRE(r->heat.shape == expected.heat.shape);
      int different = 0;
      for (std::int32_t y = 0; y < r->heat.shape.h; ++y)
        for (std::int32_t x = 0; x < r->heat.shape.w; ++x) different += *r->heat.at(y, x) != *expected.heat.at(y, x);
      CHECK(different == 0);
      CHECK(r->regions().size() == expected.regions.size());
      gst_buffer_unref(out);
    }
  }
}

TEST_CASE("dsmminfer with a real model: a picture that stands still is a frozen camera, unless that is allowed") {
  start_gstreamer();
  gst_element_register(nullptr, "lineinfer", GST_RANK_NONE, gst::type_of<gst::infer>());
  const auto file = samples::line_net("-1e30").finish();
  REQUIRE(file);
  const model_file model(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()));
  const auto picture = made_up_line().picture(1);
  for (const bool refuse : {true, false}) {
    GstElement* const element = gst_element_factory_make("lineinfer", nullptr);
    g_object_set(element, "model-file", model.path(), "refuse-repeats", static_cast<gboolean>(refuse), nullptr);
    const harness h(gst_harness_new_with_element(element, "sink", "src"));
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=GRAY8,width=64,height=64,framerate=60/1");
    for (int i = 0; i < 2; ++i) {
      REQUIRE(gst_harness_push(h.get(), gst_buffer_new_memdup(picture.data(), picture.size())) == GST_FLOW_OK);
      GstBuffer* const out = gst_harness_pull(h.get());
      const auto r = gst::read_result(out);
      CHECK(r->verdict == (i == 1 && refuse ? verdict::unknown : verdict::fail));
      CHECK(r->reason == (i == 1 && refuse ? reason::repeated : reason::none));
      gst_buffer_unref(out);
    }
  }
}

TEST_CASE("dsmminfer with a file of levels: without time the smallest one runs, and the result says so") {
  start_gstreamer();
  gst_element_register(nullptr, "lineinfer", GST_RANK_NONE, gst::type_of<gst::infer>());
  const auto file = samples::line_levels(samples::line_net("-1e30"), samples::line_net("-1e30", 4));
  REQUIRE(file);
  const model_file model(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()));
  const made_up_line line;
  for (const bool hurried : {true, false}) {
    GstElement* const element = gst_element_factory_make("lineinfer", nullptr);
    g_object_set(element, "model-file", model.path(), "deadline", static_cast<guint64>(hurried ? 1 : 0), nullptr);
    const harness h(gst_harness_new_with_element(element, "sink", "src"));
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=GRAY8,width=64,height=64,framerate=60/1");
    for (std::uint64_t frame = 0; frame < 3; ++frame) {
      const auto picture = line.picture(frame);
      REQUIRE(gst_harness_push(h.get(), gst_buffer_new_memdup(picture.data(), picture.size())) == GST_FLOW_OK);
      GstBuffer* const out = gst_harness_pull(h.get());
      const auto r = gst::read_result(out);
      CHECK(r->level == (hurried ? 1 : 0));
      CHECK(r->reason == (hurried ? reason::deadline : reason::none));
      gst_buffer_unref(out);
    }
    GstStructure* stats = nullptr;
    g_object_get(h->element, "stats", &stats, nullptr);
    guint64 reduced = 99;
    CHECK(gst_structure_get_uint64(stats, "reduced", &reduced));
    CHECK(reduced == (hurried ? 3 : 0));
    gst_structure_free(stats);
  }
}
