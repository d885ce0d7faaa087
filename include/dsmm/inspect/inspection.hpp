// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/nanos.hpp"
#include "dsmm/core/tensor.hpp"

namespace dsmm::inline DSMM_ABI {

enum class verdict : std::uint8_t { unknown = 0, pass = 1, fail = 2 };

/// Why a part could not be judged; `none` with pass and fail.
enum class reason : std::uint8_t {
  none,
  no_frame,   ///< no picture arrived for this part
  integrity,  ///< damaged or short frame
  caps,       ///< size or format is not the model's
  tag,        ///< trigger tag or frame id does not match
  too_old,    ///< the frame is older than allowed
  repeated,   ///< the same picture again: a frozen camera
  exposure,   ///< too dark, too bright or without contrast
  model,      ///< the armed model is not the recipe's, or its self-test failed
  sensor,     ///< a required sensor is late, dead or invalid
  deadline,   ///< finished too late
  log,        ///< the record could not be made durable
};

constexpr const char* to_string(verdict v) noexcept {
  return v == verdict::pass ? "PASS" : v == verdict::fail ? "FAIL" : "UNKNOWN";
}

constexpr const char* to_string(reason r) noexcept {
  constexpr std::array names{"none",     "no_frame", "integrity", "caps",   "tag",      "too_old",
                             "repeated", "exposure", "model",     "sensor", "deadline", "log"};
  return names[static_cast<std::size_t>(r)];
}

/// A region of the heat map above the map threshold, in fractions of the frame.
struct region {
  float left = 0, top = 0, right = 0, bottom = 0;  ///< [0, 1]
  float peak = 0;                                  ///< highest map value inside, [0, 1]
};

/// Named result of one frame. Views point into the inspector and hold until its next call.
struct inspection {
  dsmm::verdict verdict = verdict::unknown;
  dsmm::reason reason = reason::no_frame;
  float score = 0;      ///< the score the verdict was taken on; grows with abnormality
  float threshold = 0;  ///< FAIL at or above
  float image_score = 0, series_score = 0, joint_score = 0;  ///< raw scores of the heads, NaN if the head did not run
  std::int32_t label = -1;                 ///< class of the defect, index into the model's labels, -1 = none
  tensor_view<const std::uint8_t> heat{};  ///< (h, w, 1), 0..255 = 0..1 defect probability; data is null if none
  std::span<const region> regions{};       ///< at most 16, highest peak first
  std::uint64_t frame_id = 0;
  nanos latency{};               ///< arrival of the frame to this decision
  std::array<nanos, 4> stage{};  ///< check, series, network, map
  std::uint32_t level = 0;       ///< of the model that ran, 0 = the largest: what a replay must be told
};

}  // namespace dsmm::inline DSMM_ABI
