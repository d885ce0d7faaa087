// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/prune/pruner.hpp"
#include "tools/prune/curve.hpp"
#include "tools/prune/job.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// Prunes to each of c.levels and writes one file that holds them all; prints a table and returns its rows.
/// Throws problem.
std::vector<curve_point> write_levels(const prune_job& job, const prune_command& c,
                                      const convert::prune::pruner& pruner);

}  // namespace dsmm::inline DSMM_ABI::tools
