// SPDX-License-Identifier: Apache-2.0
#include "tools/line/recorded.hpp"

#include <system_error>

namespace dsmm::inline DSMM_ABI::line {

std::unique_ptr<feed> open_recorded_line(const std::filesystem::path& folder, complaint& why) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    why = {"there is no such folder of recorded parts", folder.string(), "give --data a folder that exists"};
    return nullptr;
  }
  if (fs::is_directory(folder / "raw_good_runs", ignored)) return open_weld_line(folder, why);
  if (fs::exists(folder / "sequence.csv", ignored)) return open_wear_line(folder, why);
  if (fs::exists(folder / "index.csv", ignored)) return open_bearing_line(folder, why);
  why = {"the folder holds no recorded line that is known", folder.string(),
         "give a folder with raw_good_runs/, sequence.csv or index.csv"};
  return nullptr;
}

}  // namespace dsmm::inline DSMM_ABI::line
