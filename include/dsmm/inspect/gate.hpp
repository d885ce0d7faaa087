// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/config.hpp"
#include "dsmm/inspect/inspection.hpp"

namespace dsmm::inline DSMM_ABI {

/// Everything a verdict rests on. Each flag starts as bad: what nobody has shown to be good counts as bad.
struct evidence {
  bool frame_present = false;  ///< a picture arrived for this part
  bool intact = false;         ///< transport reported no damage, the checksum holds, the size is complete
  bool caps_match = false;     ///< size and pixel format are the model's
  bool tag_match = false;      ///< trigger tag or frame id is the part's
  bool fresh = false;          ///< not older than the recipe allows
  bool not_repeated = false;   ///< differs from the previous picture
  bool well_exposed = false;   ///< brightness and contrast are inside the recipe's range
  bool model_armed = false;    ///< the model is the recipe's and has passed its self-test
  bool in_time = false;        ///< everything finished before the deadline
  bool sensors_good = false;   ///< every required sensor is good, its age within bounds
  bool log_durable = false;    ///< the record is on disk, or the recipe does not ask for that
  bool score_valid = false;    ///< the score is a finite number
  bool defect = true;          ///< the score is at or above the threshold
};

struct decision {
  dsmm::verdict verdict = verdict::unknown;
  dsmm::reason reason = reason::no_frame;
  friend constexpr bool operator==(const decision&, const decision&) = default;
};

/// The verdict gate: PASS needs every flag good; a defect that a trustworthy picture shows is FAIL even when a sensor
/// or the log is not well; everything else is UNKNOWN with the first reason in the order of the chain. The line treats
/// UNKNOWN as a reject. Pure, total, no state: tests walk all 2^13 inputs.
constexpr decision decide(const evidence& e) noexcept {
  if (!e.frame_present) return {verdict::unknown, reason::no_frame};
  if (!e.intact) return {verdict::unknown, reason::integrity};
  if (!e.caps_match) return {verdict::unknown, reason::caps};
  if (!e.tag_match) return {verdict::unknown, reason::tag};
  if (!e.fresh) return {verdict::unknown, reason::too_old};
  if (!e.not_repeated) return {verdict::unknown, reason::repeated};
  if (!e.well_exposed) return {verdict::unknown, reason::exposure};
  if (!e.model_armed) return {verdict::unknown, reason::model};
  if (!e.score_valid) return {verdict::unknown, reason::model};
  if (!e.in_time) return {verdict::unknown, reason::deadline};
  if (e.defect) return {verdict::fail, reason::none};
  if (!e.sensors_good) return {verdict::unknown, reason::sensor};
  if (!e.log_durable) return {verdict::unknown, reason::log};
  return {verdict::pass, reason::none};
}

}  // namespace dsmm::inline DSMM_ABI
