// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "dsmm/config.hpp"
#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// The middle of an RGB picture that has the shape of width x height (or all of it, stretched), resampled with
/// triangles as wide as the reduction: values 0..255, (height, width, 3).
std::vector<float> resampled(const picture& in, int width, int height, bool stretch);

}  // namespace dsmm::inline DSMM_ABI::tools
