// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "dsmm/convert/quantize/quantize.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// The layers and what the whole model lost, as tables on stdout.
void print_report(const convert::quantize_report& report, const convert::quantize_options& options,
                  std::size_t samples);

/// The same as JSON. Throws problem if the file cannot be written.
void write_json(const convert::quantize_report& report, const convert::quantize_options& options, std::size_t samples,
                const std::string& path);

std::string text_of_percent(double value);

}  // namespace dsmm::inline DSMM_ABI::tools
