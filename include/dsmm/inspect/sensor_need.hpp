// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// How a sensor enters the "hop" program.
enum class sensor_role : std::uint8_t {
  hop,   ///< its samples set the beat: each run takes as many as the input tensor of the sensor's name has rows
  slow,  ///< mean over the hop, held where nothing is new; one channel after the other in the tensor "slow"
};

/// A sensor that a model was trained with. Views point into the model's file.
struct sensor_need {
  std::string_view name;
  double rate_hz = 0;
  std::uint32_t channels = 1;
  sensor_role role = sensor_role::slow;
  bool required = true;  ///< without it a good part is UNKNOWN

  friend bool operator==(const sensor_need&, const sensor_need&) = default;
};

}  // namespace dsmm::inline DSMM_ABI
