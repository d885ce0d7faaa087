// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "tools/line/canvas.hpp"
#include "tools/line/part_plan.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// Paints defects and harmless marks. All throws come from the part's own sequences.
namespace marks {

inline float bump(float t) noexcept { return t >= 1 ? 0.0f : (1 - t * t) * (1 - t * t); }  ///< 1 at 0, 0 from 1 on

inline void scratch(canvas& c, const part_truth& t, dice& d) {
  const float half = t.size * 0.5f, bend = d.real(-0.003f, 0.003f), width = d.real(1.1f, 1.7f);
  c.around(c.to_x(t.x, t.y), c.to_y(t.x, t.y), degrees(t.angle), half, 14, [&](int x, int y, float u, float v) {
    if (c.face[canvas::index(x, y)] < 40) return;
    const float off = v - bend * u * u, across = off < 0 ? -off : off, fade = bump((u < 0 ? -u : u) / half * 0.92f);
    if (across < width) c.add(x, y, t.contrast * fade * (1 - across / width * 0.5f)), c.mark(x, y, truth_mask::defect);
    else if (off > 0 && off < width + 1.6f) c.add(x, y, -0.55f * t.contrast * fade), c.mark(x, y, truth_mask::defect);
  });
}

inline void dent(canvas& c, const part_truth& t, float light_x, float light_y) {
  c.around(c.to_x(t.x, t.y), c.to_y(t.x, t.y), 0, t.size, t.size, [&](int x, int y, float u, float v) {
    const float r = std::sqrt(u * u + v * v) / t.size;
    if (r >= 1 || c.face[canvas::index(x, y)] < 40) return;
    const float slope = (u * light_x + v * light_y) / t.size;  // the wall towards the light lies in shadow
    c.add(x, y, t.contrast * (-1.9f * slope * (1 - r * r) - 0.35f * bump(r)));
    if (r < 0.85f) c.mark(x, y, truth_mask::defect);
  });
}

inline void crack(canvas& c, const part_truth& t, dice& d) {
  float x = c.to_x(t.x, t.y), y = c.to_y(t.x, t.y), heading = t.angle;
  const int steps = static_cast<int>(t.size / 1.5f);
  for (int i = 0; i < steps; ++i) {
    if (i % 5 == 0) heading += d.real(-34, 34);
    if (i % 20 == 0) heading = t.angle + (heading - t.angle) * 0.4f;
    x += 1.5f * cosine(degrees(heading));
    y += 1.5f * sine(degrees(heading));
    const float radius = 1.0f + 0.9f * bump(static_cast<float>(2 * i - steps) / static_cast<float>(steps));
    c.around(x, y, 0, radius, radius, [&](int px, int py, float u, float v) {
      if (c.face[canvas::index(px, py)] < 40 || u * u + v * v > radius * radius) return;
      c.add(px, py, -0.6f * t.contrast);
      c.mark(px, py, truth_mask::defect);
    });
  }
}

inline void chip(canvas& c, const part_truth& t, dice& d) {
  const float wave1 = d.real(0, 360), wave2 = d.real(0, 360), background = 20;
  c.around(c.to_x(t.x, t.y), c.to_y(t.x, t.y), 0, t.size * 1.5f, t.size * 1.5f, [&](int x, int y, float u, float v) {
    const float r = std::sqrt(u * u + v * v);
    if (c.bare[canvas::index(x, y)] < 16 * 40 || r < 0.01f) return;
    const float ragged = 1 + 0.10f * sine(degrees(wave1 + 190 * u / r)) + 0.08f * sine(degrees(wave2 + 300 * v / r));
    const float depth = r - t.size * ragged;
    if (depth > 2.5f) return;
    const float broken = background + 0.5f * t.contrast + 0.35f * t.contrast * sine(degrees(31 * u + 17 * v));
    const float target = depth < 0 ? broken : background + 2.2f * t.contrast;
    c.add(x, y, target - static_cast<float>(c.level[canvas::index(x, y)]) * (1.0f / 16));
    c.mark(x, y, truth_mask::defect);
  });
}

/// The weak mark: a burnished oval with a faint ripple, its texture rubbed flat.
inline void rub(canvas& c, const part_truth& t, dice& d) {
  const float a = t.size, b = t.size * d.real(0.5f, 0.62f), ripple = d.real(62, 76);
  c.around(c.to_x(t.x, t.y), c.to_y(t.x, t.y), degrees(t.angle), a, b, [&](int x, int y, float u, float v) {
    const std::size_t i = canvas::index(x, y);
    const float e = std::sqrt(u * u / (a * a) + v * v / (b * b)), w = e < 0.6f ? 1.0f : e >= 1 ? 0.0f : (1 - e) * 2.5f;
    if (w <= 0 || c.face[i] < 40) return;
    const float flat = 0.7f * w * static_cast<float>(c.bare[i] - c.level[i]) * (1.0f / 16);
    c.add(x, y, flat + w * t.contrast * (0.7f + 0.55f * sine(degrees(ripple * u))));
    if (e < 0.9f) c.mark(x, y, truth_mask::weak);
  });
}

inline void stain(canvas& c, dice& d, bool oil) {
  const float cx = d.real(90, 420), cy = d.real(90, 420), a = d.real(34, 84), b = a * d.real(0.6f, 1.0f);
  const float depth = oil ? d.real(5, 10) : -d.real(7, 15);
  const std::uint32_t turn = degrees(d.real(0, 360));
  c.around(cx, cy, turn, a, b, [&](int x, int y, float u, float v) {
    const float e2 = u * u / (a * a) + v * v / (b * b);
    if (e2 >= 1 || c.face[canvas::index(x, y)] < 40) return;
    const float rim = oil && e2 > 0.72f ? 1.6f : 1.0f;
    c.add(x, y, depth * rim * (1 - e2 * e2));
  });
}

inline void brush_marks(canvas& c, dice& d) {
  const float cx = d.real(150, 360), cy = d.real(150, 360), gap = d.real(13, 19), half = d.real(70, 130);
  const std::uint32_t turn = degrees(d.real(0, 180));
  const int lines = d.between(3, 5);
  const float depth = d.real(5, 8), reach = gap * static_cast<float>(lines) * 0.5f;
  c.around(cx, cy, turn, half, reach, [&](int x, int y, float u, float v) {
    if (c.face[canvas::index(x, y)] < 40) return;
    const float along = (u < 0 ? -u : u) / half;
    c.add(x, y, depth * bump(along) * sine(degrees(360 * (v + reach) / gap)));
  });
}

inline void dust(canvas& c, dice& d) {
  for (int n = d.between(2, 9); n > 0; --n) {
    const float x = d.real(20, 490), y = d.real(20, 490), radius = d.real(0.9f, 2.2f);
    const float depth = d.chance(500) ? d.real(16, 34) : -d.real(16, 34);
    c.around(x, y, 0, radius + 1, radius + 1, [&](int px, int py, float u, float v) {
      c.add(px, py, depth * bump(std::sqrt(u * u + v * v) / (radius + 1)));
    });
  }
}

}  // namespace marks
}  // namespace dsmm::inline DSMM_ABI::line
