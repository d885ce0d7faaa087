// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

using sha256_digest = std::array<std::uint8_t, 32>;

}  // namespace dsmm::inline DSMM_ABI
