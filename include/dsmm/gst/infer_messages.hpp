// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/gst/result_meta.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// Lets through at most `rate` events a second, and the same number at once. An application that never empties its bus
/// must not run out of memory because a camera is dirty.
class message_limit {
public:
  explicit message_limit(std::int32_t rate) noexcept : rate_(rate), credit_(std::chrono::seconds(1)) {}

  /// True if an event at that time may pass. Time never runs backwards.
  bool allow(std::chrono::nanoseconds now) noexcept {
    const std::chrono::nanoseconds price = std::chrono::nanoseconds(std::chrono::seconds(1)) / rate_;
    if (started_) credit_ = std::min<std::chrono::nanoseconds>(credit_ + (now - last_), std::chrono::seconds(1));
    started_ = true;
    last_ = now;
    if (credit_ < price) return ++held_, false;
    credit_ -= price;
    return true;
  }
  /// Events held back since the last call.
  std::uint64_t take_held() noexcept {
    const std::uint64_t n = held_;
    held_ = 0;
    return n;
  }

private:
  std::int32_t rate_;
  std::chrono::nanoseconds credit_, last_{};
  std::uint64_t held_ = 0;
  bool started_ = false;
};

/// Where a frame stands in its stream, as every message says it.
struct frame_place {
  GstClockTime running_time = GST_CLOCK_TIME_NONE, pts = GST_CLOCK_TIME_NONE;
  std::uint64_t frame_id = 0;
};

/// Posts an element message that carries the frame's place and what `fields` holds, which it takes.
inline void post_at(GstElement* element, GstStructure* fields, const frame_place& at) {
  gchar* const stream = gst_pad_get_stream_id(GST_BASE_TRANSFORM_SINK_PAD(element));
  gst_structure_set(fields, "running-time", G_TYPE_UINT64, at.running_time, "pts", G_TYPE_UINT64, at.pts, "frame-id",
                    G_TYPE_UINT64, at.frame_id, "stream-id", G_TYPE_STRING, stream, nullptr);
  g_free(stream);
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), fields));
}

/// Says when the line changes from one kind of result to another: `dsmm-defect` when parts start to fail,
/// `dsmm-deadline-missed` when results start to be late, `dsmm-unknown` for every other new reason. Per-frame results
/// travel in the meta.
class transition_messages {
public:
  void report(GstElement* element, const frame_result& r, const frame_place& at, std::chrono::nanoseconds now) {
    const bool changed = !started_ || r.verdict != verdict_ || r.reason != reason_;
    started_ = true;
    verdict_ = r.verdict;
    reason_ = r.reason;
    if (!changed || r.verdict == verdict::pass || !limit_.allow(now)) return;
    GstStructure* const fields = gst_structure_new(
        name_of(r), "verdict", G_TYPE_STRING, to_string(r.verdict), "reason", G_TYPE_STRING, to_string(r.reason),
        "score", G_TYPE_DOUBLE, r.score, "threshold", G_TYPE_DOUBLE, r.threshold, "regions", G_TYPE_UINT,
        static_cast<guint>(r.region_count), "latency", G_TYPE_INT64, static_cast<gint64>(r.latency.count()),
        "held-back", G_TYPE_UINT64, limit_.take_held(), nullptr);
    set_text(fields, "label", r.label);
    post_at(element, fields, at);
  }

private:
  static const char* name_of(const frame_result& r) noexcept {
    if (r.verdict == verdict::fail) return "dsmm-defect";
    return r.reason == reason::deadline ? "dsmm-deadline-missed" : "dsmm-unknown";
  }

  message_limit limit_{10};
  bool started_ = false;
  dsmm::verdict verdict_ = verdict::pass;
  dsmm::reason reason_ = reason::none;
};

}  // namespace dsmm::inline DSMM_ABI::gst
