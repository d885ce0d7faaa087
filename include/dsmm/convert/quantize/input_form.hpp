// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// What the quantized model takes: the f32 tensors of the fp32 model, or u8 images (H, W, C) that it normalises itself,
/// (pixel * factor - mean[c]) / deviation[c].
struct input_form {
  bool u8 = false;
  float factor = 1.0f;
  std::vector<float> mean{}, deviation{};  ///< per channel; empty: 0 and 1
};

}  // namespace dsmm::inline DSMM_ABI::convert
