// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tools/report/svg.hpp"

namespace dsmm::inline DSMM_ABI::report {

/// One group of bars: a name and a share 0..1 per series; negative: no bar.
struct bar_group {
  std::string name;
  std::vector<double> shares;
};

/// Groups of vertical bars from 0 to 100 %. css: one class per series.
inline std::string bar_chart(const std::vector<bar_group>& groups, const std::vector<std::string>& series,
                             const std::vector<std::string>& css) {
  constexpr double width = 880, height = 260, left = 44, right = 8, top = 26, bottom = 44;
  svg s(width, height, "share of parts found, per kind");
  const double plot = height - top - bottom;
  for (int tick = 0; tick <= 4; ++tick) {
    const double y = top + plot * (1 - tick / 4.0);
    s.line(left, y, width - right, y, "grid");
    s.text(left - 6, y + 4, std::to_string(tick * 25) + " %", "end");
  }
  double key = left;
  for (std::size_t i = 0; i < series.size(); ++i) {
    s.rect(key, 4, 11, 11, css[i]);
    s.text(key + 16, 14, series[i]);
    key += 34 + 7.0 * static_cast<double>(series[i].size());
  }
  const double pitch = (width - left - right) / static_cast<double>(std::max<std::size_t>(groups.size(), 1));
  const double bar = std::min(20.0, pitch * 0.8 / static_cast<double>(std::max<std::size_t>(series.size(), 1)));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double middle = left + pitch * (static_cast<double>(g) + 0.5);
    double x = middle - bar * static_cast<double>(series.size()) / 2;
    for (std::size_t i = 0; i < series.size(); ++i, x += bar) {
      const double share = groups[g].shares[i];
      if (share < 0) continue;
      s.rect(x + 1, top + plot * (1 - share), bar - 2, std::max(plot * share, 1.0), css[i],
             groups[g].name + ", " + series[i] + ": " + fixed(100 * share) + " %");
    }
    s.text(middle, height - bottom + 18, groups[g].name, "middle");
  }
  return std::move(s).finish();
}

/// How often each duration was seen, with marks at the percentiles. ms, not empty.
inline std::string latency_chart(const std::vector<double>& sorted_ms, double deadline_ms) {
  constexpr double width = 430, height = 220, left = 40, right = 12, top = 24, bottom = 36;
  constexpr int bins = 48;
  const auto at = [&](double share) {
    const auto i = static_cast<std::size_t>(share * static_cast<double>(sorted_ms.size()));
    return sorted_ms[std::min(i, sorted_ms.size() - 1)];
  };
  const double limit = std::max(at(0.995) * 1.15, 0.1);
  std::vector<int> count(bins, 0);
  for (const double ms : sorted_ms) ++count[static_cast<std::size_t>(std::min(bins - 1.0, ms / limit * bins))];
  const double most = *std::max_element(count.begin(), count.end());
  svg s(width, height, "distribution of the latency");
  const double plot_w = width - left - right, plot_h = height - top - bottom;
  for (int i = 0; i < bins; ++i) {
    const double h = plot_h * count[static_cast<std::size_t>(i)] / most;
    s.rect(left + plot_w * i / bins + 0.5, top + plot_h - h, plot_w / bins - 1, h, "joint");
  }
  s.line(left, top + plot_h, width - right, top + plot_h, "axis");
  for (int tick = 0; tick <= 4; ++tick)
    s.text(left + plot_w * tick / 4, height - bottom + 16, fixed(limit * tick / 4, limit < 4 ? 2 : 1), "middle");
  s.text(left + plot_w / 2, height - 4, "ms from arrival to decision; deadline " + fixed(deadline_ms, 0) + " ms",
         "middle");
  const std::pair<double, const char*> marks[] = {{0.50, "p50"}, {0.99, "p99"}};
  for (const auto& [share, name] : marks) {
    const double x = left + plot_w * std::min(at(share) / limit, 1.0);
    s.line(x, top - 4, x, top + plot_h, "mark");
    s.text(x, top - 8, std::string(name) + " " + fixed(at(share), 2), "middle", "t strong");
  }
  return std::move(s).finish();
}

/// Latency of every part in order: quiet lines are flat.
inline std::string latency_trace(const std::vector<double>& ms) {
  constexpr double width = 430, height = 220, left = 40, right = 12, top = 24, bottom = 36;
  svg s(width, height, "latency of every part in order");
  const double most = std::max(*std::max_element(ms.begin(), ms.end()) * 1.1, 0.1);
  for (int tick = 0; tick <= 4; ++tick) {
    const double y = top + (height - top - bottom) * (1 - tick / 4.0);
    s.line(left, y, width - right, y, "grid");
    s.text(left - 6, y + 4, fixed(most * tick / 4, most < 4 ? 2 : 1), "end");
  }
  constexpr std::size_t columns = 380;  // each column shows the worst of its parts
  const std::size_t step = std::max<std::size_t>(1, (ms.size() + columns - 1) / columns);
  std::vector<float> worst;
  for (std::size_t i = 0; i < ms.size(); i += step)
    worst.push_back(
        static_cast<float>(*std::max_element(ms.begin() + static_cast<std::ptrdiff_t>(i),
                                             ms.begin() + static_cast<std::ptrdiff_t>(std::min(i + step, ms.size())))));
  s.curve(worst, 1, left, width - right, top, height - bottom, 0.0f, static_cast<float>(most), "curve joint-line");
  s.text(left, 14, "ms", "start");
  s.text((left + width - right) / 2, height - 8, "parts in order", "middle");
  return std::move(s).finish();
}

/// A part in the plane of the two single scores.
struct score_point {
  double image, series;
  std::string css, title;
};

/// Image score to the right, sensor score upwards, both clamped to what 99 % of the parts show.
inline std::string score_chart(const std::vector<score_point>& points, double image_limit, double series_limit) {
  constexpr double width = 430, height = 330, left = 46, right = 14, top = 12, bottom = 40;
  svg s(width, height, "image score against sensor score");
  double low_x = 0, high_x = 1, low_y = 0, high_y = 1;
  if (!points.empty()) {
    const auto range = [&](auto value, double& low, double& high) {
      std::vector<double> v;
      for (const auto& p : points) v.push_back(value(p));
      std::sort(v.begin(), v.end());
      low = v[v.size() / 100], high = v[v.size() - 1 - v.size() / 100];
      const double room = (high > low ? high - low : 1.0) * 0.06;
      low -= room, high += room;
    };
    range([](const score_point& p) { return p.image; }, low_x, high_x);
    range([](const score_point& p) { return p.series; }, low_y, high_y);
  }
  const auto x = [&](double v) {
    return left + (width - left - right) * (std::clamp(v, low_x, high_x) - low_x) / (high_x - low_x);
  };
  const auto y = [&](double v) {
    return height - bottom - (height - top - bottom) * (std::clamp(v, low_y, high_y) - low_y) / (high_y - low_y);
  };
  s.rect(left, top, width - left - right, height - top - bottom, "plot");
  if (image_limit > low_x && image_limit < high_x) s.line(x(image_limit), top, x(image_limit), height - bottom, "mark");
  if (series_limit > low_y && series_limit < high_y)
    s.line(left, y(series_limit), width - right, y(series_limit), "mark");
  for (const score_point& p : points) s.circle(x(p.image), y(p.series), 2.6, p.css, p.title);
  for (int tick = 0; tick <= 4; ++tick) {
    const double vx = low_x + (high_x - low_x) * tick / 4, vy = low_y + (high_y - low_y) * tick / 4;
    s.text(x(vx), height - bottom + 16, fixed(vx), "middle");
    s.text(left - 6, y(vy) + 4, fixed(vy), "end");
  }
  s.text((left + width - right) / 2, height - 6, "image score", "middle");
  s.text(left + 6, top + 16, "sensor score \u2191");
  return std::move(s).finish();
}

}  // namespace dsmm::inline DSMM_ABI::report
