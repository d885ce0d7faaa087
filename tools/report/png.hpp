// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::report {

/// A picture as PNG bytes. rgb (height, width, 3), rows `stride` bytes apart. Empty if libpng failed.
std::vector<std::uint8_t> encode_png(const std::uint8_t* rgb, int width, int height, std::ptrdiff_t stride);

}  // namespace dsmm::inline DSMM_ABI::report
