// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "tools/line/feed.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// Why a line cannot be played, in the three parts of an error line.
struct complaint {
  std::string what, where, what_to_do;
};

/// Opens a folder of recorded parts; what it holds is told from its files:
/// robot welds (raw_good_runs/: csv, flac and photos per weld), a wearing ball screw (sequence.csv and photos), or
/// bearings run to failure (index.csv and .npy snapshots).
/// Files that turn out damaged while playing do not stop the line: their picture is delivered as damaged.
/// Returns null and fills `why` if the folder holds none of them.
std::unique_ptr<feed> open_recorded_line(const std::filesystem::path& folder, complaint& why);

std::unique_ptr<feed> open_weld_line(const std::filesystem::path& folder, complaint& why);
std::unique_ptr<feed> open_wear_line(const std::filesystem::path& folder, complaint& why);
std::unique_ptr<feed> open_bearing_line(const std::filesystem::path& folder, complaint& why);

}  // namespace dsmm::inline DSMM_ABI::line
