// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/stream/sensor.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// What a sensor pad of dsmmfuse accepts:
///   audio/x-raw                regular samples, interleaved, 1..63 channels
///   application/x-dsmm-sensor  records of `channels` f32 values; optional fields name, unit (string), rate (fraction
///   or
///                              int, default 10/1), channels (int, default 1), regular (boolean, default false)
///   other/tensors              one static float32 tensor per buffer: dimension 0 is the channels, dimension 1 the
///   samples
inline constexpr char sensor_caps_text[] =
    "audio/x-raw, format=(string){ F32LE, S16LE, S32LE }, layout=(string)interleaved, rate=(int)[ 1, 2147483647 ], "
    "channels=(int)[ 1, 63 ]; "
    "application/x-dsmm-sensor; "
    "other/tensors, format=(string)static, num_tensors=(int)1";

enum class sample_format : std::uint8_t { f32, s16, s32 };

/// How the bytes of a sensor's buffers are read.
struct sensor_format {
  sample_format type = sample_format::f32;
  std::size_t row_bytes = 0;  ///< one sample of every channel
};

/// Turns `count` little-endian values into floats; integers become [-1, 1).
inline void to_floats(sample_format type, const std::uint8_t* from, std::size_t count, float* to) noexcept {
  if (type == sample_format::f32) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::int16_t s16;
    std::int32_t s32;
    if (type == sample_format::s16) {
      std::memcpy(&s16, from + 2 * i, 2);
      to[i] = static_cast<float>(s16) * 0x1p-15f;
    } else {
      std::memcpy(&s32, from + 4 * i, 4);
      to[i] = static_cast<float>(s32) * 0x1p-31f;
    }
  }
}

/// Reads a sensor's caps into its description (rate, channels, unit, sampling, and the name if the caps have one).
/// Errors: unsupported (not one of the above), bad_value (a field is missing or out of range).
inline result<sensor_format> read_sensor_caps(const GstCaps* caps, sensor_description& description) {
  const GstStructure* const s = gst_caps_get_structure(caps, 0);
  const auto text = [s](const char* field) {
    const char* const value = gst_structure_get_string(s, field);
    return std::string(value == nullptr ? "" : value);
  };
  sensor_format format;
  int rate = 10, per = 1, channels = 1, samples = 1;
  if (gst_structure_has_name(s, "audio/x-raw")) {
    if (!gst_structure_get_int(s, "rate", &rate) || !gst_structure_get_int(s, "channels", &channels))
      return failure{errc::bad_value, "the sensor's audio caps have no rate or channels"};
    const std::string type = text("format");
    if (type == "S16LE") format.type = sample_format::s16;
    else if (type == "S32LE") format.type = sample_format::s32;
    else if (type != "F32LE") return failure{errc::unsupported, "sensor samples must be F32LE, S16LE or S32LE"};
    description.sampling = sampling::regular;
  } else if (gst_structure_has_name(s, "application/x-dsmm-sensor")) {
    gboolean regular = FALSE;
    gst_structure_get_boolean(s, "regular", &regular);
    gst_structure_get_int(s, "channels", &channels);
    if (!gst_structure_get_fraction(s, "rate", &rate, &per)) gst_structure_get_int(s, "rate", &rate);
    if (!text("name").empty()) description.name = text("name");
    description.unit = text("unit");
    description.sampling = regular ? sampling::regular : sampling::irregular;
  } else if (gst_structure_has_name(s, "other/tensors")) {
    if (text("types") != "float32") return failure{errc::unsupported, "a sensor's tensor must be float32"};
    const std::string dimensions = text("dimensions");
    char* rest = nullptr;
    channels = static_cast<int>(std::strtol(dimensions.c_str(), &rest, 10));
    if (rest != nullptr && *rest == ':') samples = static_cast<int>(std::strtol(rest + 1, nullptr, 10));
    if (!gst_structure_get_fraction(s, "framerate", &rate, &per) || samples < 1 || samples > 1'000'000 ||
        rate > 2'000'000'000 / samples)
      return failure{errc::bad_value, "a sensor's tensor caps need dimensions channels:samples and a framerate"};
    rate *= samples;
    description.sampling = sampling::regular;
  } else {
    return failure{errc::unsupported, "a sensor must send audio/x-raw, application/x-dsmm-sensor or other/tensors"};
  }
  description.rate = {rate, per};
  if (!description.rate.valid() || channels < 1 || channels > 4096)
    return failure{errc::bad_value, "the sensor's rate must be above 0 Hz and its channels 1..4096"};
  description.channels = static_cast<std::uint32_t>(channels);
  format.row_bytes = description.channels * (format.type == sample_format::s16 ? 2u : 4u);
  return format;
}

}  // namespace dsmm::inline DSMM_ABI::gst
