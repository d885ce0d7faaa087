// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/report/style.hpp"
#include "tools/report/svg.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// What one pruned network costs and how well it agrees with the original.
struct curve_point {
  double keep = 1;  ///< wanted share of the multiply-adds
  std::int64_t multiply_adds = 0;
  std::size_t bytes = 0;      ///< of a file of its own
  std::size_t stored = 0;     ///< that it adds to a file of levels
  double milliseconds = 0;    ///< median of one run, fp32
  double cut_db = 0, db = 0;  ///< SQNR before and after the weights were fitted anew
  double cut_top1 = -1, top1 = -1;
};

inline std::string curve_json(const std::vector<curve_point>& points, const nlohmann::json& about) {
  nlohmann::json j = about;
  for (const curve_point& p : points) {
    nlohmann::json row = {{"keep", p.keep},
                          {"multiply_adds", p.multiply_adds},
                          {"bytes", p.bytes},
                          {"stored_bytes", p.stored},
                          {"ms", p.milliseconds},
                          {"sqnr_db_cut", p.cut_db},
                          {"sqnr_db", p.db}};
    if (p.top1 >= 0) row["top1_agreement_cut"] = p.cut_top1, row["top1_agreement"] = p.top1;
    j["points"].push_back(std::move(row));
  }
  return j.dump(2) + "\n";
}

/// SQNR, top-1 agreement and latency over the multiply-adds that were kept, as a file that a browser shows.
inline std::string curve_svg(const std::vector<curve_point>& points) {
  constexpr double width = 640, height = 320, left = 52, right = 52, top = 34, bottom = 44;
  report::svg s(width, height, "agreement and latency over kept multiply-adds");
  double most_db = 10, most_ms = 1e-3;
  const auto shown = [](double db) { return std::min(db, 60.0); };
  for (const curve_point& p : points)
    most_db = std::max(most_db, shown(p.db)), most_ms = std::max(most_ms, p.milliseconds);
  const double full = points.empty() ? 1.0 : static_cast<double>(points.front().multiply_adds);
  const auto x = [&](const curve_point& p) {
    return left + (width - left - right) * static_cast<double>(p.multiply_adds) / full;
  };
  const auto y = [&](double share) { return top + (height - top - bottom) * (1 - std::clamp(share, 0.0, 1.0)); };
  for (int tick = 0; tick <= 4; ++tick) {
    const double share = tick / 4.0;
    s.line(left, y(share), width - right, y(share), "grid");
    s.text(left - 6, y(share) + 4, report::fixed(most_db * share, 0), "end");
    s.text(width - right + 6, y(share) + 4, report::fixed(100 * share, 0) + " %");
    s.text(left + (width - left - right) * share, height - bottom + 16, report::fixed(100 * share, 0) + " %", "middle");
  }
  struct series {
    const char* name;
    const char* css;
    double (*share)(const curve_point&, double db, double ms);
  };
  const series all[] = {
      {"SQNR after refit, dB (left)", "joint",
       [](const curve_point& p, double db, double) { return std::min(p.db, 60.0) / db; }},
      {"SQNR before refit, dB (left)", "series",
       [](const curve_point& p, double db, double) { return std::min(p.cut_db, 60.0) / db; }},
      {"latency (right, of the slowest)", "image",
       [](const curve_point& p, double, double ms) { return p.milliseconds / ms; }},
      {"top-1 agreement (right)", "mark", [](const curve_point& p, double, double) { return p.top1; }}};
  double key = left;
  for (const series& line : all) {
    if (std::string(line.css) == "mark" && (points.empty() || points.front().top1 < 0)) continue;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double at = y(line.share(points[i], most_db, most_ms));
      if (i != 0)
        s.line(x(points[i - 1]), y(line.share(points[i - 1], most_db, most_ms)), x(points[i]), at,
               std::string(line.css) == "mark" ? "mark" : "curve " + std::string(line.css) + "-line");
      s.circle(x(points[i]), at, 3, line.css, "keep " + report::fixed(points[i].keep, 2));
    }
    s.rect(key, 8, 10, 10, line.css);
    s.text(key + 14, 17, line.name);
    key += 24 + 5.2 * static_cast<double>(std::string(line.name).size());
  }
  s.text((left + width - right) / 2, height - 8, "multiply-adds kept", "middle");
  std::string text = std::move(s).finish();
  text.insert(5, "xmlns=\"http://www.w3.org/2000/svg\" ");
  text.insert(text.find('>') + 1, "<style>" + std::string(report::style) + "</style>");
  return text + "\n";
}

}  // namespace dsmm::inline DSMM_ABI::tools
