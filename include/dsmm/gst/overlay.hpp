// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/explain/heat_blend.hpp"
#include "dsmm/explain/overlay.hpp"
#include "dsmm/gst/element.hpp"
#include "dsmm/gst/frame.hpp"
#include "dsmm/gst/frame_format.hpp"
#include "dsmm/gst/result_meta.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// The scene of one result, with room for its lists.
class result_scene {
public:
  /// `r` and what it points to are read until the last use of scene().
  explicit result_scene(const frame_result& r) noexcept : model_(r.product.empty() ? r.model : r.product) {
    for (std::size_t i = 0; i < r.region_count; ++i) {
      const region& at = r.region_list[i];
      boxes_[i] = {at.left, at.top, at.right, at.bottom, at.peak, r.label.empty() ? "anomaly" : r.label};
    }
    for (std::size_t i = 0; i < r.sensor_count; ++i) {
      const sensor_status& s = r.sensor_list[i];
      const bool good = s.health == sensor_health::good;
      const bool lost = s.health == sensor_health::invalid || s.health == sensor_health::dead;
      sensors_[i] = {s.name, good ? "" : to_string(s.health),
                     good   ? palette::pass
                     : lost ? palette::fail
                            : palette::unknown,
                     s.age};
    }
    const auto rank = [](const overlay_sensor& s) {
      return s.light == palette::fail ? 0 : s.light == palette::unknown ? 1 : 2;
    };
    std::stable_sort(sensors_.begin(), sensors_.begin() + r.sensor_count,
                     [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    scene_ = {to_string(r.verdict),
              r.verdict == verdict::unknown ? to_string(r.reason) : r.label,
              model_,
              r.verdict == verdict::pass   ? palette::pass
              : r.verdict == verdict::fail ? palette::fail
                                           : palette::unknown,
              static_cast<float>(r.score),
              static_cast<float>(r.threshold),
              r.latency,
              {boxes_.data(), r.region_count},
              {sensors_.data(), r.sensor_count}};
  }
  result_scene(const result_scene&) = delete;
  result_scene& operator=(const result_scene&) = delete;

  const overlay_scene& scene() const noexcept { return scene_; }

private:
  std::string_view model_;
  std::array<overlay_box, frame_result::most_regions> boxes_{};
  std::array<overlay_sensor, frame_result::most_sensors> sensors_{};
  overlay_scene scene_{};
};

/// Draws the verdict that a frame carries onto its picture. A frame without a result, or one that cannot be mapped
/// for writing, passes as it is.
class overlay {
public:
  using base_instance = GstBaseTransform;
  using base_class = GstBaseTransformClass;
  static constexpr const char* type_name = "Dsmm0Overlay";
  static GType base_type() { return GST_TYPE_BASE_TRANSFORM; }
  static std::span<const property<overlay>> properties();

  static void describe(base_class* klass) {
    static GstStaticPadTemplate sink =
        GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(DSMM_GST_PAINT_CAPS));
    static GstStaticPadTemplate src =
        GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(DSMM_GST_PAINT_CAPS));
    auto* const element_klass = GST_ELEMENT_CLASS(klass);
    gst_element_class_add_static_pad_template(element_klass, &sink);
    gst_element_class_add_static_pad_template(element_klass, &src);
    gst_element_class_set_static_metadata(element_klass, "Inspection overlay", "Filter/Editor/Video",
                                          "Draws verdict, regions and heat map of dsmminfer onto the frame", "dsmm");
    override_vfunc<&overlay::set_caps>(klass->set_caps);
    override_vfunc<&overlay::propose_allocation>(klass->propose_allocation);
    override_vfunc<&overlay::transform_ip>(klass->transform_ip);
  }

  explicit overlay(GstBaseTransform* self) noexcept : self_(self) {
    gst_base_transform_set_in_place(self, TRUE);
    gst_base_transform_set_qos_enabled(self, FALSE);
  }

  gboolean set_caps(GstCaps* in, GstCaps*) {
    format_ = frame_format::from(in);
    return format_ ? TRUE : FALSE;
  }

  gboolean propose_allocation(GstQuery* decide, GstQuery* query) {
    parent_class<overlay>->propose_allocation(self_, decide, query);
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
    return TRUE;
  }

  GstFlowReturn transform_ip(GstBuffer* buffer) {
    const std::optional<frame_result> r = read_result(buffer);
    if (!r) return GST_FLOW_OK;
    mapped_frame frame(buffer, *format_, GST_MAP_READWRITE);
    if (!frame.whole()) return GST_FLOW_OK;
    const canvas on = frame.paint();
    if (show_map_) blend_heat(on, r->heat, static_cast<std::int32_t>(opacity_ * 255.0 + 0.5));
    draw_overlay(on, result_scene(*r).scene(), {.verdict = show_verdict_, .boxes = show_boxes_, .scale = scale_});
    return GST_FLOW_OK;
  }

private:
  template <std::atomic<bool> overlay::*Member>
  static constexpr property<overlay> flag(GParamSpec* (*spec)()) noexcept {
    return {spec, [](overlay& e, const GValue* v) { e.*Member = g_value_get_boolean(v) != FALSE; },
            [](overlay& e, GValue* v) { g_value_set_boolean(v, (e.*Member).load()); }};
  }

  GstBaseTransform* self_;
  std::optional<frame_format> format_;  // set before the first buffer
  std::atomic<bool> show_map_{true}, show_boxes_{true}, show_verdict_{true};
  std::atomic<double> opacity_{0.8};
  std::atomic<std::int32_t> scale_{0};
};

inline std::span<const property<overlay>> overlay::properties() {
  static constexpr property<overlay> rows[] = {
      flag<&overlay::show_map_>([] {
        return g_param_spec_boolean("show-map", "Show map", "Blend the heat map into the picture", TRUE,
                                    property_flags_playing);
      }),
      flag<&overlay::show_boxes_>([] {
        return g_param_spec_boolean("show-boxes", "Show boxes", "Outline and name the regions", TRUE,
                                    property_flags_playing);
      }),
      flag<&overlay::show_verdict_>([] {
        return g_param_spec_boolean("show-verdict", "Show verdict", "Draw verdict, score and sensors", TRUE,
                                    property_flags_playing);
      }),
      {[] {
         return g_param_spec_double("opacity", "Opacity", "How much of the picture a hot part of the map covers", 0, 1,
                                    0.8, property_flags_playing);
       },
       [](overlay& e, const GValue* v) { e.opacity_ = g_value_get_double(v); },
       [](overlay& e, GValue* v) { g_value_set_double(v, e.opacity_); }},
      {[] {
         return g_param_spec_int("scale", "Scale", "Size of type and lines; 0 chooses by the size of the picture", 0,
                                 16, 0, property_flags_playing);
       },
       [](overlay& e, const GValue* v) { e.scale_ = g_value_get_int(v); },
       [](overlay& e, GValue* v) { g_value_set_int(v, e.scale_); }},
  };
  return rows;
}

}  // namespace dsmm::inline DSMM_ABI::gst
