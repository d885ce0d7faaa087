// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/gst/element.hpp"
#include "dsmm/gst/sensor_caps.hpp"
#include "dsmm/stream/sensor.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// A sensor pad of dsmmfuse: the properties of its sensor, and how its stream is read. The element holds its lock
/// while it uses the stream's part.
class sensor_pad {
public:
  using base_instance = GstPad;
  using base_class = GstPadClass;
  static constexpr const char* type_name = "Dsmm0SensorPad";
  static GType base_type() { return GST_TYPE_PAD; }
  static void describe(GstPadClass*) {}

  static std::span<const property<sensor_pad>> properties() {
    static constexpr property<sensor_pad> table[] = {
        {[] {
           return g_param_spec_string("sensor-name", "Sensor name",
                                      "Name that the model knows this sensor by; empty = from the caps, or the pad's",
                                      "", property_flags);
         },
         [](sensor_pad& p, const GValue* v) {
           const char* const text = g_value_get_string(v);
           p.set([&](values& set) { set.name = text == nullptr ? "" : text; });
         },
         [](sensor_pad& p, GValue* v) { g_value_set_string(v, p.get().name.c_str()); }},
        {[] {
           return g_param_spec_int64("ts-offset", "Timestamp offset",
                                     "Added to the running time of every sample (ns); negative if the sensor's stamps "
                                     "are later than what they measured",
                                     std::numeric_limits<gint64>::min(), std::numeric_limits<gint64>::max(), 0,
                                     property_flags_playing);
         },
         [](sensor_pad& p, const GValue* v) { p.set([&](values& set) { set.ts_offset = g_value_get_int64(v); }); },
         [](sensor_pad& p, GValue* v) { g_value_set_int64(v, p.get().ts_offset); }},
        {[] {
           return g_param_spec_boolean("required", "Required", "A frame without this sensor is incomplete", TRUE,
                                       property_flags);
         },
         [](sensor_pad& p, const GValue* v) {
           p.set([&](values& set) { set.required = g_value_get_boolean(v) != FALSE; });
         },
         [](sensor_pad& p, GValue* v) { g_value_set_boolean(v, p.get().required ? TRUE : FALSE); }},
        {[] {
           return g_param_spec_uint64("max-age", "Maximum age",
                                      "The sensor is late when its newest sample is older than this at a frame (ns); "
                                      "0 = chosen by its rate",
                                      0, G_MAXINT64, 0, property_flags);
         },
         [](sensor_pad& p, const GValue* v) { p.set([&](values& set) { set.max_age = g_value_get_uint64(v); }); },
         [](sensor_pad& p, GValue* v) { g_value_set_uint64(v, p.get().max_age); }},
        {[] {
           return g_param_spec_uint64("dead-after", "Dead after",
                                      "The sensor is dead when it was silent for longer than this (ns); 0 = chosen by "
                                      "its rate",
                                      0, G_MAXINT64, 0, property_flags);
         },
         [](sensor_pad& p, const GValue* v) { p.set([&](values& set) { set.dead_after = g_value_get_uint64(v); }); },
         [](sensor_pad& p, GValue* v) { g_value_set_uint64(v, p.get().dead_after); }},
    };
    return table;
  }

  explicit sensor_pad(GstPad* self) noexcept : self_(self) { gst_segment_init(&segment, GST_FORMAT_TIME); }

  GstPad* self() const noexcept { return self_; }

  /// What the properties say; rate and channels come with the caps.
  sensor_description description() const {
    const values set = get();
    sensor_description d;
    d.name = set.name.empty() ? std::string(GST_OBJECT_NAME(self_)) : set.name;
    d.required = set.required;
    d.max_age = std::chrono::nanoseconds(static_cast<std::int64_t>(set.max_age));
    d.dead_after = std::chrono::nanoseconds(static_cast<std::int64_t>(set.dead_after));
    return d;
  }
  bool is_named() const { return !get().name.empty(); }

  /// Running time of a stamp of this stream, ts-offset included; saturates.
  std::chrono::nanoseconds running_time(GstClockTime stamp) const {
    guint64 magnitude = 0;
    const int sign = gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, stamp, &magnitude);
    constexpr auto limit = static_cast<guint64>(std::numeric_limits<std::int64_t>::max() / 2);
    const auto time = static_cast<std::int64_t>(magnitude < limit ? magnitude : limit) * (sign < 0 ? -1 : 1);
    GST_OBJECT_LOCK(self_);
    const std::int64_t offset = values_.ts_offset;
    GST_OBJECT_UNLOCK(self_);
    constexpr auto half = static_cast<std::int64_t>(limit);
    return std::chrono::nanoseconds(time + (offset > half ? half : offset < -half ? -half : offset));
  }

  sensor_format format;
  GstSegment segment;
  std::vector<float> scratch;  ///< one slice of samples
  bool configured = false;     ///< caps have come
  bool flushing = false;
  bool usable = true;  ///< as the last message said

private:
  struct values {
    std::string name;
    std::int64_t ts_offset = 0;
    guint64 max_age = 0, dead_after = 0;
    bool required = true;
  };

  values get() const {
    GST_OBJECT_LOCK(self_);
    values copy = values_;
    GST_OBJECT_UNLOCK(self_);
    return copy;
  }
  template <class F>
  void set(F&& change) {
    GST_OBJECT_LOCK(self_);
    change(values_);
    GST_OBJECT_UNLOCK(self_);
  }

  GstPad* self_;
  values values_;
};

}  // namespace dsmm::inline DSMM_ABI::gst
