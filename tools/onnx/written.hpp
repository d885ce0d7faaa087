// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/onnx/compare.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// An array file that `dsmm run` wrote.
struct written {
  std::string name, path;
  convert::dim_list dims;
};

/// One line per file for people, a list for programs.
inline void report(const std::vector<written>& files, bool json) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const written& w : files) {
    if (json) out.push_back({{"output", w.name}, {"file", w.path}, {"shape", w.dims}});
    else std::printf("%s %s\n", w.path.c_str(), text_of(w.dims).c_str());
  }
  if (json) std::printf("%s\n", out.dump(1, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace dsmm::inline DSMM_ABI::tools
