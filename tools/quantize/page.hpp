// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "dsmm/convert/quantize/quantize.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// The report of a quantization as one HTML page: what it cost, noise layer by layer, and what the worst layers read
/// against the range that their grid holds. title: the model's file.
std::string quantize_page(const convert::quantize_report& report, const std::string& title, std::size_t samples);

}  // namespace dsmm::inline DSMM_ABI::tools
