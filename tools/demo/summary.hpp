// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/demo/page.hpp"
#include "tools/demo/tally.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// A number with `digits` decimals; "-" if it is not one.
std::string number(double value, int digits);

/// The live line on stderr; overwrites itself.
void print_status(const tally& t);

/// What a run has shown, as text on stdout.
void print_summary(const run_facts& f, const tally& t);

}  // namespace dsmm::inline DSMM_ABI::demo
