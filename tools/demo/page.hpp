// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tools/demo/gallery.hpp"
#include "tools/demo/tally.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// What the report says about the run beside its counts.
struct run_facts {
  std::string title, model, identity, product, machine, date, version, pacing;
  int width = 0, height = 0, cores = 0;
  std::size_t sensor_channels = 0;
  double wall_s = 0, deadline_ms = 0, peak_mib = 0;
  std::int64_t stale = 0, recovered = 0;
  bool stopped = false, inspected = true;
  std::vector<damage_note> damaged;
};

/// The report of a run as one HTML file that loads nothing.
std::string make_page(const run_facts& facts, const tally& counts, const std::vector<gallery_item>& gallery);

}  // namespace dsmm::inline DSMM_ABI::demo
