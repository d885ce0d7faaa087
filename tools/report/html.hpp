// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>
#include <string_view>

#include "tools/report/style.hpp"
#include "tools/report/svg.hpp"

/// What every page is made of.
namespace dsmm::inline DSMM_ABI::report {

inline std::string per_cent(double share, int digits = 1) {
  return fixed(100 * share, digits) + (std::isfinite(share) ? "&thinsp;%" : "");
}
inline std::string tile(const std::string& value, const std::string& name) {
  return "<div class=\"tile\"><b>" + value + "</b><span>" + name + "</span></div>";
}
inline std::string cell(const std::string& value, const char* css = "") {
  return "<td class=\"" + std::string(css) + "\">" + value + "</td>";
}
/// From the doctype to the end of the title line; `beside` is markup.
inline std::string page_head(std::string_view title, const std::string& beside) {
  return "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>dsmm, " +
         escaped(title) + "</title><style>" + style + "</style></head><body><main><header><h1>" + escaped(title) +
         "</h1><span class=\"soft\">" + beside + "</span></header>";
}

}  // namespace dsmm::inline DSMM_ABI::report
