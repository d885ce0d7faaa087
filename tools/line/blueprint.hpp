// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "tools/line/part_shape.hpp"
#include "tools/line/plate.hpp"
#include "tools/line/sine.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// How the camera of a session sees the bare geometry.
struct view_settings {
  float face = 148, background = 20;       ///< grey levels
  float light_x = -0.7f, light_y = -0.7f;  ///< direction the light comes from, unit length
};

/// The product without texture, at one rotation: grey level in and out of focus, and how much texture shows.
struct blueprint {
  static constexpr int margin = 8, size = shape::frame + 2 * margin;
  float angle = 0;  ///< degrees
  plate<std::uint8_t> sharp, soft, face;
};

namespace detail {

struct spot {
  float level, face;
};

inline float cover(float signed_distance) noexcept { return std::clamp(0.5f - signed_distance, 0.0f, 1.0f); }
inline spot over(spot below, spot above, float amount) noexcept {
  return {below.level + (above.level - below.level) * amount, below.face + (above.face - below.face) * amount};
}

/// A round opening with chamfer: bright on the side away from the light.
inline spot opening(spot s, float dx, float dy, float radius, float chamfer, const view_settings& v) noexcept {
  const float r = shape::distance(dx, dy);
  if (r > chamfer + 2) return s;
  const float towards = r > 0.5f ? (dx * v.light_x + dy * v.light_y) / r : 0.0f;
  s = over(s, {v.face * (0.80f - 0.52f * towards), 0.3f}, cover(r - chamfer));
  const float depth = 15.0f + 16.0f * std::max(0.0f, -towards) * (r / radius) * (r / radius);
  return over(s, {depth, 0.0f}, cover(r - radius));
}

inline spot shade(float x, float y, const view_settings& v, bool with_holes) noexcept {
  spot s{v.background, 0.0f};
  const float edge = shape::outline(x, y);
  if (edge > 2) return s;
  const float r = shape::distance(x, y), towards = r > 0.5f ? (x * v.light_x + y * v.light_y) / r : 0.0f;
  const float flat = shape::half_side - shape::corner;  // the outline's normal: along one axis, radial in the corners
  const float nx = std::abs(x) > flat ? (x > 0 ? std::abs(x) - flat : flat - std::abs(x)) : 0.0f;
  const float ny = std::abs(y) > flat ? (y > 0 ? std::abs(y) - flat : flat - std::abs(y)) : 0.0f;
  const float length = std::max(shape::distance(nx, ny), 1e-3f);
  const float outward = (nx * v.light_x + ny * v.light_y) / length;
  s = over(s, {v.face * (0.84f + 0.42f * outward), 0.3f}, cover(edge));
  s = over(s, {v.face, 1.0f}, cover(edge + shape::edge_chamfer));

  const float g = r - shape::groove;
  s = over(s, {v.face * (0.46f + 0.10f * towards * g), 0.25f}, cover(std::abs(g) - shape::groove_half));
  s = opening(s, x, y, shape::bore, shape::bore_chamfer, v);
  const float slot = shape::slot(x, y);
  if (slot < 4) {
    s = over(s, {v.face * 0.72f, 0.2f}, cover(slot - 2));
    s = over(s, {v.face * 0.30f, 0.1f}, cover(slot));
  }
  if (with_holes)
    for (const shape::hole& h : shape::holes) s = opening(s, x - h.x, y - h.y, h.radius, h.countersink, v);
  return s;
}

}  // namespace detail

/// Draws the product turned by `angle` degrees.
inline blueprint draw_blueprint(const view_settings& v, float angle, bool with_holes) {
  blueprint b;
  b.angle = angle;
  b.sharp = plate<std::uint8_t>(blueprint::size, blueprint::size);
  b.face = b.sharp;
  const float c = cosine(degrees(angle)), s = sine(degrees(angle)), middle = blueprint::size / 2 - 0.5f;
  for (int row = 0; row < blueprint::size; ++row)
    for (int column = 0; column < blueprint::size; ++column) {
      const float px = static_cast<float>(column) - middle, py = static_cast<float>(row) - middle;
      const detail::spot spot = detail::shade(px * c + py * s, py * c - px * s, v, with_holes);
      b.sharp.row(row)[column] = static_cast<std::uint8_t>(std::clamp(spot.level, 0.0f, 255.0f));
      b.face.row(row)[column] = static_cast<std::uint8_t>(spot.face * 255.0f);
    }
  b.soft = defocused(b.sharp);
  return b;
}

}  // namespace dsmm::inline DSMM_ABI::line
