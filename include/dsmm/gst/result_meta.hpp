// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/nanos.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/gst/result_fields.hpp"
#include "dsmm/inspect/inspection.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// How one sensor stood when the frame was judged.
struct sensor_status {
  std::string_view name{};
  sensor_health health = sensor_health::dead;
  nanos age{};
};

/// A verdict as it travels with a frame: all of `inspection`, with names in place of indices. Views that
/// read_result() returns point into the buffer and live as long as it.
struct frame_result {
  static constexpr std::size_t most_regions = 16, most_sensors = 64;

  dsmm::verdict verdict = verdict::unknown;
  dsmm::reason reason = reason::no_frame;
  double score = 0, threshold = 0;
  double image_score = 0, series_score = 0, joint_score = 0;
  std::int32_t label_id = -1;
  std::string_view label{}, product{}, model{};  ///< model: identity of the file
  std::uint64_t frame_id = 0;
  nanos latency{};
  std::array<nanos, 4> stage{};  ///< check, series, network, map
  std::uint32_t level = 0;       ///< of the model that ran, 0 = the largest
  std::array<region, most_regions> region_list{};
  std::size_t region_count = 0;
  std::array<sensor_status, most_sensors> sensor_list{};
  std::size_t sensor_count = 0;
  tensor_view<const std::uint8_t> heat{};  ///< data is null if no map travels along

  std::span<const region> regions() const noexcept { return {region_list.data(), region_count}; }
  std::span<const sensor_status> sensors() const noexcept { return {sensor_list.data(), sensor_count}; }
};

/// Gathers a result. Regions beyond the first 16 and sensors beyond the first 64 are left out.
inline frame_result make_result(const inspection& from, std::string_view label, std::string_view product,
                                std::string_view model, std::span<const sensor_span> sensors) noexcept {
  frame_result r{
      from.verdict, from.reason, from.score, from.threshold, from.image_score, from.series_score, from.joint_score,
      from.label,   label,       product,    model,          from.frame_id,    from.latency,      from.stage,
      from.level};
  r.heat = from.heat;
  r.region_count = std::min(from.regions.size(), frame_result::most_regions);
  std::copy_n(from.regions.begin(), r.region_count, r.region_list.begin());
  r.sensor_count = std::min(sensors.size(), frame_result::most_sensors);
  for (std::size_t i = 0; i < r.sensor_count; ++i)
    r.sensor_list[i] = {sensors[i].name, sensors[i].health, sensors[i].age};
  return r;
}

/// Name of the meta. It carries no tags, so that no element between here and the reject gate drops it.
inline constexpr const char* result_meta_name = "DsmmResultMeta";

/// Registers the meta once per process, whoever comes first.
inline const GstMetaInfo* result_meta_info() noexcept {
  static const GstMetaInfo* const info = [] {
    if (const GstMetaInfo* const known = gst_meta_get_info(result_meta_name); known != nullptr) return known;
    static const gchar* no_tags[] = {nullptr};
    return gst_meta_register_custom(result_meta_name, no_tags, nullptr, nullptr, nullptr);
  }();
  return info;
}

/// Puts a result on a writable buffer. Everything is copied, the map into one block that later copies of the buffer
/// share. Returns false if the buffer is not writable.
inline bool attach_result(GstBuffer* buffer, const frame_result& r) {
  result_meta_info();
  GstCustomMeta* const meta =
      gst_buffer_is_writable(buffer) ? gst_buffer_add_custom_meta(buffer, result_meta_name) : nullptr;
  if (meta == nullptr) return false;
  GstStructure* const to = gst_custom_meta_get_structure(meta);
  gst_structure_set(to, "verdict", G_TYPE_STRING, to_string(r.verdict), "reason", G_TYPE_STRING, to_string(r.reason),
                    "score", G_TYPE_DOUBLE, r.score, "threshold", G_TYPE_DOUBLE, r.threshold, "image-score",
                    G_TYPE_DOUBLE, r.image_score, "series-score", G_TYPE_DOUBLE, r.series_score, "joint-score",
                    G_TYPE_DOUBLE, r.joint_score, "label-id", G_TYPE_INT, r.label_id, "frame-id", G_TYPE_UINT64,
                    r.frame_id, "latency", G_TYPE_INT64, static_cast<gint64>(r.latency.count()), "level", G_TYPE_UINT,
                    static_cast<guint>(r.level), nullptr);
  set_text(to, "label", r.label);
  set_text(to, "product", r.product);
  set_text(to, "model", r.model);
  set_list(to, "stages", r.stage, [](nanos t) {
    return gst_structure_new("stage", "time", G_TYPE_INT64, static_cast<gint64>(t.count()), nullptr);
  });
  set_list(to, "regions", r.regions(), [](const region& at) {
    return gst_structure_new("region", "left", G_TYPE_DOUBLE, double{at.left}, "top", G_TYPE_DOUBLE, double{at.top},
                             "right", G_TYPE_DOUBLE, double{at.right}, "bottom", G_TYPE_DOUBLE, double{at.bottom},
                             "peak", G_TYPE_DOUBLE, double{at.peak}, nullptr);
  });
  set_list(to, "sensors", r.sensors(), [](const sensor_status& s) {
    GstStructure* const entry = gst_structure_new("sensor", "health", G_TYPE_STRING, to_string(s.health), "age",
                                                  G_TYPE_INT64, static_cast<gint64>(s.age.count()), nullptr);
    set_text(entry, "name", s.name);
    return entry;
  });
  if (r.heat.data != nullptr) set_map(to, r.heat);
  return true;
}

/// The result in one meta's structure. Missing fields keep their defaults: UNKNOWN, no frame.
inline frame_result parse_result(const GstStructure* from) noexcept {
  frame_result r;
  r.verdict = parse_enum(gst_structure_get_string(from, "verdict"), verdict::fail, verdict::unknown);
  r.reason = parse_enum(gst_structure_get_string(from, "reason"), reason::log, reason::no_frame);
  gst_structure_get(from, "score", G_TYPE_DOUBLE, &r.score, "threshold", G_TYPE_DOUBLE, &r.threshold, "image-score",
                    G_TYPE_DOUBLE, &r.image_score, "series-score", G_TYPE_DOUBLE, &r.series_score, "joint-score",
                    G_TYPE_DOUBLE, &r.joint_score, "label-id", G_TYPE_INT, &r.label_id, "frame-id", G_TYPE_UINT64,
                    &r.frame_id, "level", G_TYPE_UINT, &r.level, nullptr);
  r.latency = get_time(from, "latency");
  r.label = get_text(from, "label");
  r.product = get_text(from, "product");
  r.model = get_text(from, "model");
  get_list(from, "stages", r.stage, [](const GstStructure* s) { return get_time(s, "time"); });
  r.region_count = get_list(from, "regions", r.region_list, [](const GstStructure* s) {
    return region{get_fraction(s, "left"), get_fraction(s, "top"), get_fraction(s, "right"), get_fraction(s, "bottom"),
                  get_fraction(s, "peak")};
  });
  r.sensor_count = get_list(from, "sensors", r.sensor_list, [](const GstStructure* s) {
    return sensor_status{get_text(s, "name"),
                         parse_enum(gst_structure_get_string(s, "health"), sensor_health::dead, sensor_health::dead),
                         get_time(s, "age")};
  });
  r.heat = get_map(from);
  return r;
}

/// The result on a buffer, or nothing if it was never inspected. Where several inspectors have judged it, the one that
/// speaks most against the part: FAIL, then UNKNOWN, then PASS.
inline std::optional<frame_result> read_result(GstBuffer* buffer) noexcept {
  const GstMetaInfo* const info = result_meta_info();
  const GstStructure* worst = nullptr;
  const auto severity = [](const GstStructure* s) {
    const auto v = parse_enum(gst_structure_get_string(s, "verdict"), verdict::fail, verdict::unknown);
    return v == verdict::fail ? 2 : v == verdict::unknown ? 1 : 0;
  };
  gpointer state = nullptr;
  while (GstMeta* const meta = gst_buffer_iterate_meta_filtered(buffer, &state, info->api)) {
    if (meta->info != info) continue;
    const GstStructure* const s = gst_custom_meta_get_structure(reinterpret_cast<GstCustomMeta*>(meta));
    if (worst == nullptr || severity(s) > severity(worst)) worst = s;
  }
  if (worst == nullptr) return std::nullopt;
  return parse_result(worst);
}

/// Marks every region as GstVideoRegionOfInterestMeta for consumers that know nothing of dsmm: type = label or
/// "anomaly", box in pixels of the frame, and a parameter "detection" with confidence, label_id and the box in
/// fractions.
inline void attach_regions(GstBuffer* buffer, std::int32_t width, std::int32_t height, const frame_result& r) {
  std::array<char, 64> type{};
  r.label.copy(type.data(), type.size() - 1);
  const auto pixel = [](float fraction, std::int32_t size) {
    return fraction > 0 ? std::min(static_cast<guint>(double{fraction} * size + 0.5), static_cast<guint>(size)) : 0U;
  };
  for (const region& at : r.regions()) {
    const guint left = pixel(at.left, width), top = pixel(at.top, height);
    const guint right = std::max(pixel(at.right, width), left), bottom = std::max(pixel(at.bottom, height), top);
    GstVideoRegionOfInterestMeta* const meta = gst_buffer_add_video_region_of_interest_meta(
        buffer, r.label.empty() ? "anomaly" : type.data(), left, top, right - left, bottom - top);
    gst_video_region_of_interest_meta_add_param(
        meta,
        gst_structure_new("detection", "confidence", G_TYPE_DOUBLE, double{at.peak}, "label_id", G_TYPE_INT, r.label_id,
                          "x_min", G_TYPE_DOUBLE, double{at.left}, "x_max", G_TYPE_DOUBLE, double{at.right}, "y_min",
                          G_TYPE_DOUBLE, double{at.top}, "y_max", G_TYPE_DOUBLE, double{at.bottom}, nullptr));
  }
}

}  // namespace dsmm::inline DSMM_ABI::gst
