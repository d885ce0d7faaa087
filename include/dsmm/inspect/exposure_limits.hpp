// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// What a recipe accepts of a picture as such; grey levels 0..255. The defaults refuse a closed shutter, a torn-off
/// cable and a saturated sensor, and accept everything else.
struct exposure_limits {
  std::uint8_t darkest_mean = 6, brightest_mean = 249;
  std::uint8_t least_spread = 3;  ///< between the 2 % and the 98 % quantile
};

}  // namespace dsmm::inline DSMM_ABI
