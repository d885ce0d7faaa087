// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "dsmm/gst/overlay.hpp"
#include "dsmm/gst/result_meta.hpp"
#include "infer_double.hpp"

using namespace dsmm;
using namespace dsmm::test;

namespace {

GstTracer* leak_tracer() {
  GList* const all = gst_tracing_get_active_tracers();
  GstTracer* found = nullptr;
  for (GList* at = all; at != nullptr; at = at->next)
    if (std::string(G_OBJECT_TYPE_NAME(at->data)) == "GstLeaksTracer") found = GST_TRACER(gst_object_ref(at->data));
  g_list_free_full(all, gst_object_unref);
  return found;
}

/// Objects made minus objects gone since the last call, per type.
std::map<std::string, int> grown(GstTracer* tracer) {
  std::map<std::string, int> count;
  GstStructure* s = nullptr;
  g_signal_emit_by_name(tracer, "activity-get-checkpoint", &s);
  for (const auto& [field, step] : {std::pair{"objects-created-list", 1}, {"objects-removed-list", -1}}) {
    const GValue* const list = gst_structure_get_value(s, field);
    for (guint i = 0; list != nullptr && i < gst_value_list_get_size(list); ++i) {
      const GstStructure* const entry = gst_value_get_structure(gst_value_list_get_value(list, i));
      count[gst_structure_get_string(entry, "type-name")] += step;
    }
  }
  gst_structure_free(s);
  return count;
}

/// A stream with everything in it: defects, a damaged frame, a swap, a refusal, messages nobody reads, an overlay.
void work() {
  const model_file a("double 320 240 0 0"), b("double 320 240 0.25 0");
  GstElement* const bin = gst_parse_bin_from_description("testinfer name=i ! testleakoverlay", TRUE, nullptr);
  GstElement* const infer = gst_bin_get_by_name(GST_BIN(bin), "i");
  g_object_set(infer, "model-file", a.path(), nullptr);
  {
    const harness h(gst_harness_new_with_element(bin, "sink", "src"));
    gst_harness_set_src_caps_str(h.get(), "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1");
    bus_of bus(infer);
    for (std::uint64_t i = 0; i < 50; ++i) {
      if (i == 10) g_object_set(infer, "model-file", b.path(), nullptr);
      if (i == 20) g_object_set(infer, "model-file", "/nowhere", nullptr);
      REQUIRE(gst_harness_push(h.get(), filled(i == 30 ? 100 : 320 * 240, i % 2 == 0 ? 255 : 0, i)) == GST_FLOW_OK);
      gst_buffer_unref(gst_harness_pull(h.get()));
      GstStructure* s = nullptr;
      g_object_get(infer, "stats", &s, nullptr);
      gst_structure_free(s);
    }
  }
  gst_object_unref(infer);
  gst_object_unref(bin);
}

}  // namespace

TEST_CASE("leaks: a stream leaves no object behind") {
  start_with_double();
  gst_element_register(nullptr, "testleakoverlay", GST_RANK_NONE, gst::type_of<gst::overlay>());
  GstTracer* const tracer = leak_tracer();
  REQUIRE(tracer != nullptr);
  work();  // what is made once per process is made here
  g_signal_emit_by_name(tracer, "activity-start-tracking");
  for (int i = 0; i < 3; ++i) work();
  const auto after = grown(tracer);
  CHECK(after.count("GstBuffer") == 1);  // there was something to see
  for (const auto& row : after) {
    CAPTURE(row.first);
    CHECK(row.second == 0);
  }
  GstBuffer* const planted = gst_buffer_new();
  CHECK(grown(tracer)["GstBuffer"] == 1);
  gst_buffer_unref(planted);
  g_signal_emit_by_name(tracer, "activity-stop-tracking");
  gst_object_unref(tracer);
}
