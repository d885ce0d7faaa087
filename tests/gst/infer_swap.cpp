// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "dsmm/gst/result_meta.hpp"
#include "infer_double.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

double score_of_next(GstHarness* h, std::string* model = nullptr) {
  REQUIRE(gst_harness_push(h, filled(64, 51)) == GST_FLOW_OK);
  GstBuffer* const out = gst_harness_pull(h);
  const auto r = gst::read_result(out);
  REQUIRE(r);
  if (model != nullptr) *model = r->model;
  const double score = r->score;
  gst_buffer_unref(out);
  return score;
}

/// Pushes frames until one has the score, for at most five seconds.
bool reaches(GstHarness* h, double score) {
  for (int i = 0; i < 5000; ++i) {
    if (std::abs(score_of_next(h) - score) < 1e-6) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace

TEST_CASE("model swap: between two frames, announced, and the old model is freed") {
  const model_file a("double 8 8 0 0"), b("double 8 8 0.25 20");
  {
    const harness h = make_harness(a.path(), "GRAY8", 8, 8);
    bus_of bus(h->element);
    CHECK(score_of_next(h.get()) == doctest::Approx(0.2));
    g_object_set(h->element, "model-file", b.path(), nullptr);
    CHECK(score_of_next(h.get()) == doctest::Approx(0.2));  // nothing waits for the load
    REQUIRE(reaches(h.get(), 51 / 255.0 + 0.25));
    std::string model;
    score_of_next(h.get(), &model);
    CHECK(model == "id0.250000");
    GstMessage* const m = bus.wait("dsmm-model-swapped");
    REQUIRE(m != nullptr);
    CHECK(std::string(gst_structure_get_string(gst_message_get_structure(m), "file")) == b.path());
    CHECK(std::string(gst_structure_get_string(gst_message_get_structure(m), "model")) == "id0.250000");
    gst_message_unref(m);
    g_object_set(h->element, "model-file", a.path(), nullptr);
    CHECK(reaches(h.get(), 0.2));
    CHECK(inspector_double::alive <= 2);
  }
  CHECK(inspector_double::alive == 0);
}

TEST_CASE("model swap: what does not fit the stream is refused, and the old model stays") {
  const model_file good("double 8 8 0 0 vibration 20000 6 torque 10 1");
  const model_file larger("double 16 8 0.5 0"), damaged("nonsense"), other("double 8 8 0.5 0 current 20000 6"),
      faster("double 8 8 0.5 0 vibration 40000 6"), wider("double 8 8 0.5 0 vibration 20000 7");
  const harness h = make_harness(good.path(), "GRAY8", 8, 8);
  bus_of bus(h->element);
  struct row {
    const char *file, *cause, *code;
  };
  for (const row& r : {row{larger.path(), "size", "wrong_product"},
                       {damaged.path(), "double", "bad_magic"},
                       {"/nowhere/x.dsmm", "exist", "not_found"},
                       {"", "exist", "not_found"},
                       {other.path(), "sensor", "wrong_product"},
                       {faster.path(), "sensor", "wrong_product"},
                       {wider.path(), "sensor", "wrong_product"}}) {
    CAPTURE(r.file);
    g_object_set(h->element, "model-file", r.file, nullptr);
    GstMessage* const m = bus.wait("dsmm-model-rejected");
    REQUIRE(m != nullptr);
    const GstStructure* const s = gst_message_get_structure(m);
    CHECK(std::string(gst_structure_get_string(s, "file")) == r.file);
    CHECK(std::string(gst_structure_get_string(s, "cause")).find(r.cause) != std::string::npos);
    CHECK(std::string(gst_structure_get_string(s, "code")) == r.code);
    gst_message_unref(m);
    CHECK(score_of_next(h.get()) == doctest::Approx(0.2));
  }
  const model_file fewer("double 8 8 0.5 0 torque 10 1");
  g_object_set(h->element, "model-file", fewer.path(), nullptr);
  CHECK(reaches(h.get(), 0.7));
}

TEST_CASE("model swap: a threshold set while playing takes effect the same way") {
  const model_file a("double 8 8 0 0");
  const harness h = make_harness(a.path(), "GRAY8", 8, 8);
  g_object_set(h->element, "threshold", 0.125, nullptr);
  bool failed = false;
  for (int i = 0; i < 5000 && !failed; ++i) {
    REQUIRE(gst_harness_push(h.get(), filled(64, 51)) == GST_FLOW_OK);
    GstBuffer* const out = gst_harness_pull(h.get());
    const auto r = gst::read_result(out);
    failed = r->verdict == verdict::fail && r->threshold == 0.125;
    gst_buffer_unref(out);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(failed);
}

TEST_CASE("model swap under load: no frame is lost or judged by half a model, no thread meets another") {
  const model_file a("double 8 8 0 1"), b("double 8 8 0.25 0"), c("double 16 16 0 0"), d("nonsense");
  const harness h = make_harness(a.path(), "GRAY8", 8, 8);
  std::atomic<bool> stop{false};
  std::vector<std::thread> operators;
  for (int t = 0; t < 2; ++t)
    operators.emplace_back([&, t] {
      const char* const files[] = {a.path(), b.path(), c.path(), d.path()};
      for (unsigned i = static_cast<unsigned>(t); !stop; ++i) {
        g_object_set(h->element, "model-file", files[i % 4], nullptr);
        g_object_set(h->element, "attach-map", static_cast<gboolean>(i % 3 == 0), nullptr);
        GstStructure* s = nullptr;
        g_object_get(h->element, "stats", &s, nullptr);
        gst_structure_free(s);
        gst_query_unref([&] {
          GstQuery* const q = gst_query_new_latency();
          gst_element_query(h->element, q);
          return q;
        }());
        std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    });
  const auto counted = [&h] {
    GstStructure* s = nullptr;
    g_object_get(h->element, "stats", &s, nullptr);
    std::pair<guint64, guint64> frames_swaps{};
    CHECK(gst_structure_get(s, "frames", G_TYPE_UINT64, &frames_swaps.first, "model-swaps", G_TYPE_UINT64,
                            &frames_swaps.second, nullptr));
    gst_structure_free(s);
    return frames_swaps;
  };
  int wrong = 0;
  guint64 pushed = 0;
  // A busy machine may judge 3000 frames before the first model is loaded: go on until one is, for a while.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (; pushed < 3000 || (counted().second == 0 && std::chrono::steady_clock::now() < end); ++pushed) {
    std::string model;
    const double score = score_of_next(h.get(), &model);
    const bool is_a = std::abs(score - 0.2) < 1e-6 && model == "id0.000000";
    const bool is_b = std::abs(score - 0.45) < 1e-6 && model == "id0.250000";
    wrong += !is_a && !is_b;
  }
  stop = true;
  for (std::thread& t : operators) t.join();
  CHECK(wrong == 0);
  CHECK(inspector_double::collisions == 0);
  CHECK(counted().first == pushed);
  CHECK(counted().second > 0);
}

TEST_CASE("model swap: stopping in the middle of a load") {
  const model_file a("double 8 8 0 0"), slow("double 8 8 0.25 50");
  for (int i = 0; i < 5; ++i) {
    const harness h = make_harness(a.path(), "GRAY8", 8, 8);
    score_of_next(h.get());
    g_object_set(h->element, "model-file", slow.path(), nullptr);
  }
  CHECK(inspector_double::alive == 0);
}
