// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "dsmm/model/file.hpp"
#include "dsmm/model/levels.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

inline constexpr double whole_file = -1;  ///< no --level was given

inline std::string share_text(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", share);
  return text;
}

/// A model file, or one of its levels by its share. Throws problem.
inline owned_model open_level(const std::string& path, double share) {
  owned_model file = need(owned_model::open(path.c_str()), path);
  if (share == whole_file) return file;
  const auto level = find_level(*file, share);
  if (!level) {
    std::string known;
    for (std::uint32_t k = 0; k < level_count(*file); ++k)
      known += (k == 0 ? "" : ", ") + share_text(static_cast<double>(level_share(*file, k)));
    throw problem{"the model has no level " + share_text(share), path, "its levels are " + known, 2};
  }
  if (*level == 0) return file;
  return need(extract_level(*file, *level), path);
}

}  // namespace dsmm::inline DSMM_ABI::tools
