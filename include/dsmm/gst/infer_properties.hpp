// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"
#include "dsmm/gst/element.hpp"
#include "dsmm/gst/infer_settings.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// The property table of dsmminfer.
template <class Infer>
struct infer_properties {
  template <std::atomic<bool> infer_settings::*Member>
  static constexpr property<Infer> flag(GParamSpec* (*spec)()) noexcept {
    return {spec, [](Infer& e, const GValue* v) { e.settings().*Member = g_value_get_boolean(v) != FALSE; },
            [](Infer& e, GValue* v) { g_value_set_boolean(v, (e.settings().*Member).load()); }};
  }

  static constexpr property<Infer> rows[] = {
      {[] {
         return g_param_spec_string("model-file", "Model file",
                                    "The .dsmm model. While playing, a new one is loaded beside the stream and takes "
                                    "over between two frames; if it is refused, the old one stays",
                                    nullptr, property_flags_playing);
       },
       [](Infer& e, const GValue* v) {
         const gchar* const file = g_value_get_string(v);
         e.settings().change([file](auto& s) { s.model_file = file == nullptr ? "" : file; });
         e.reload();
       },
       [](Infer& e, GValue* v) { g_value_set_string(v, e.settings().get().model_file.c_str()); }},
      {[] {
         return g_param_spec_float("threshold", "Threshold",
                                   "FAIL at or above this score; the lowest value stands for the model's own "
                                   "threshold. While playing, it takes effect like a new model",
                                   -std::numeric_limits<float>::max(), std::numeric_limits<float>::max(),
                                   -std::numeric_limits<float>::max(), property_flags_playing);
       },
       [](Infer& e, const GValue* v) {
         e.settings().change([v](auto& s) { s.threshold = g_value_get_float(v); });
         e.reload();
       },
       [](Infer& e, GValue* v) { g_value_set_float(v, e.settings().get().threshold); }},
      {[] {
         return g_param_spec_uint64("deadline", "Deadline",
                                    "Nanoseconds from the arrival of a frame to its verdict; later is UNKNOWN, never "
                                    "PASS. 0: none",
                                    0, std::numeric_limits<std::int64_t>::max(), 50'000'000, property_flags);
       },
       [](Infer& e, const GValue* v) { e.settings().change([v](auto& s) { s.deadline = g_value_get_uint64(v); }); },
       [](Infer& e, GValue* v) { g_value_set_uint64(v, e.settings().get().deadline); }},
      {[] {
         return g_param_spec_uint("threads", "Threads",
                                  "CPU cores that work on one frame, the streaming thread included. The verdict does "
                                  "not depend on it",
                                  1, 256, 1, property_flags);
       },
       [](Infer& e, const GValue* v) { e.settings().change([v](auto& s) { s.threads = g_value_get_uint(v); }); },
       [](Infer& e, GValue* v) { g_value_set_uint(v, e.settings().get().threads); }},
      {[] {
         return g_param_spec_boolean("refuse-repeats", "Refuse repeats",
                                     "A frame equal to the one before it is a frozen camera: UNKNOWN. Switch off for "
                                     "still pictures",
                                     TRUE, property_flags);
       },
       [](Infer& e, const GValue* v) {
         e.settings().change([v](auto& s) { s.refuse_repeats = g_value_get_boolean(v) != FALSE; });
       },
       [](Infer& e, GValue* v) { g_value_set_boolean(v, e.settings().get().refuse_repeats); }},
      flag<&infer_settings::attach_map>([] {
        return g_param_spec_boolean("attach-map", "Attach map", "Send the heat map along with the verdict", TRUE,
                                    property_flags_playing);
      }),
      flag<&infer_settings::post_messages>([] {
        return g_param_spec_boolean("post-messages", "Post messages",
                                    "Post dsmm-defect, dsmm-deadline-missed and dsmm-unknown when the line changes to "
                                    "such a result, at most 10 a second",
                                    TRUE, property_flags_playing);
      }),
      flag<&infer_settings::age_from_pts>([] {
        return g_param_spec_boolean("age-from-pts", "Age from PTS",
                                    "With live sources, count the time since a frame's PTS as part of its latency, so "
                                    "that waiting in queues is seen. Switch off for cameras whose PTS is not running "
                                    "time",
                                    TRUE, property_flags_playing);
      }),
      {[] {
         return g_param_spec_uint64("latency-budget", "Latency budget",
                                    "Nanoseconds to report as this element's latency; 0: what 99 % of the inspections "
                                    "took",
                                    0, std::numeric_limits<std::int64_t>::max(), 0, property_flags_playing);
       },
       [](Infer& e, const GValue* v) { e.settings().latency_budget = g_value_get_uint64(v); },
       [](Infer& e, GValue* v) { g_value_set_uint64(v, e.settings().latency_budget); }},
      {[] {
         return g_param_spec_boxed("stats", "Statistics",
                                   "Counts of verdicts, and latency of the frames since the start (nanoseconds)",
                                   GST_TYPE_STRUCTURE, property_flags_readable);
       },
       nullptr, [](Infer& e, GValue* v) { g_value_take_boxed(v, e.stats()); }},
  };
};

}  // namespace dsmm::inline DSMM_ABI::gst
