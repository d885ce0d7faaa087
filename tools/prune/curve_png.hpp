// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/explain/canvas.hpp"
#include "dsmm/explain/colour.hpp"
#include "dsmm/explain/font.hpp"
#include "dsmm/explain/text_line.hpp"
#include "tools/picture/picture.hpp"
#include "tools/prune/curve.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// What curve_svg() shows, and the size, as pixels: SQNR in dB on the left axis; agreement, latency and bytes as shares
/// of the largest network on the right one.
inline picture curve_picture(const std::vector<curve_point>& points) {
  constexpr std::int32_t width = 960, height = 520, left = 70, right = 890, top = 64, bottom = 450;
  picture out{width, height, 3, std::vector<std::uint8_t>(std::size_t{width} * height * 3, 255)};
  const canvas c(out.pixels.data(), width, height, 3 * width, pixel_orders::rgb);
  if (points.empty()) return out;
  const curve_point& full = points.front();
  double most_db = 10;
  for (const curve_point& p : points) most_db = std::max(most_db, std::min(p.db, 60.0));
  const auto x = [&](const curve_point& p) {
    const double share = static_cast<double>(p.multiply_adds) / static_cast<double>(full.multiply_adds);
    return left + static_cast<std::int32_t>(std::lround((right - left) * share));
  };
  const auto y = [&](double share) {
    return bottom - static_cast<std::int32_t>(std::lround((bottom - top) * std::clamp(share, 0.0, 1.0)));
  };
  const auto number = [&](std::int32_t at_x, std::int32_t at_y, double value, std::string_view unit) {
    text_line text;
    text.fixed(value, 0) << unit;
    font::draw(c, at_x, at_y, 2, text.view(), palette::ink);
  };
  for (int tick = 0; tick <= 4; ++tick) {
    const double share = tick / 4.0;
    c.fill({left, y(share), right, y(share) + 1}, palette::grey);
    number(12, y(share) - 8, most_db * share, "");
    number(right + 8, y(share) - 8, 100 * share, "%");
    number(left + (right - left) * tick / 4 - 16, bottom + 12, 100 * share, "%");
  }
  struct series {
    std::string_view name;
    colour paint;
    double (*share)(const curve_point&, const curve_point& full, double most_db);
  };
  const series all[] = {
      {"SQNR dB", {0, 90, 181}, [](const curve_point& p, const curve_point&, double db) { return p.db / db; }},
      {"not refitted", {140, 180, 220},
       [](const curve_point& p, const curve_point&, double db) { return p.cut_db / db; }},
      {"top-1", palette::pass, [](const curve_point& p, const curve_point&, double) { return p.top1; }},
      {"time", palette::fail,
       [](const curve_point& p, const curve_point& f, double) { return p.milliseconds / f.milliseconds; }},
      {"bytes", palette::unknown, [](const curve_point& p, const curve_point& f, double) {
         return static_cast<double>(p.bytes) / static_cast<double>(f.bytes);
       }}};
  std::int32_t key = left;
  for (const series& s : all) {
    if (s.name == "top-1" && full.top1 < 0) continue;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const std::int32_t px = x(points[i]), py = y(s.share(points[i], full, most_db));
      c.fill({px - 4, py - 4, px + 5, py + 5}, s.paint);
      if (i == 0) continue;
      const std::int32_t qx = x(points[i - 1]), qy = y(s.share(points[i - 1], full, most_db));
      const std::int32_t steps = std::max({std::abs(px - qx), std::abs(py - qy), 1});
      for (std::int32_t k = 0; k <= steps; ++k) {
        const std::int32_t lx = qx + (px - qx) * k / steps, ly = qy + (py - qy) * k / steps;
        c.fill({lx - 1, ly - 1, lx + 1, ly + 1}, s.paint);
      }
    }
    c.fill({key, 20, key + 14, 34}, s.paint);
    font::draw(c, key + 20, 20, 2, s.name, palette::ink);
    key += 44 + 2 * font::advance * static_cast<std::int32_t>(s.name.size());
  }
  font::draw(c, (left + right) / 2 - 100, height - 30, 2, "multiply-adds kept", palette::ink);
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::tools
