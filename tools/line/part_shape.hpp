// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// The simulated product: a square bearing cover, seen from above, one pixel per unit, origin in its centre.
/// Central bore with chamfer, seal groove, four countersunk bolt holes, two dowel holes, a slot, a marking field.
namespace shape {

inline constexpr int frame = 512;  ///< width and height of the picture
inline constexpr float half_side = 219, corner = 52, edge_chamfer = 6;
inline constexpr float bore = 64, bore_chamfer = 74;
inline constexpr float groove = 100, groove_half = 4.5f;
inline constexpr float slot_half_width = 34, slot_half_height = 7, slot_y = -166;

struct hole {
  float x, y, radius, countersink;
};
inline constexpr std::array<hole, 6> holes{{{-156, -156, 18, 26},
                                            {156, -156, 18, 26},
                                            {-156, 156, 18, 26},
                                            {156, 156, 18, 26},
                                            {-150, 0, 9, 12},
                                            {150, 0, 9, 12}}};

inline float distance(float x, float y) noexcept { return std::sqrt(x * x + y * y); }

/// Signed distance to a rounded rectangle, negative inside.
inline float rounded_box(float x, float y, float half_w, float half_h, float radius) noexcept {
  const float qx = std::abs(x) - half_w + radius, qy = std::abs(y) - half_h + radius;
  return distance(std::max(qx, 0.0f), std::max(qy, 0.0f)) + std::min(std::max(qx, qy), 0.0f) - radius;
}

inline float outline(float x, float y) noexcept { return rounded_box(x, y, half_side, half_side, corner); }
inline float slot(float x, float y) noexcept {
  return rounded_box(x, y - slot_y, slot_half_width, slot_half_height, slot_half_height);
}

/// Field of the dot-peened serial number.
inline bool in_marking(float x, float y, float margin) noexcept {
  return std::abs(x) < 64 + margin && std::abs(y - 162) < 14 + margin;
}

/// Whether a disc of radius `margin` around (x, y) lies on the plain machined face.
inline bool on_face(float x, float y, float margin) noexcept {
  const float r = distance(x, y);
  if (outline(x, y) > -edge_chamfer - margin || r < bore_chamfer + margin) return false;
  if (std::abs(r - groove) < groove_half + margin || slot(x, y) < margin || in_marking(x, y, margin)) return false;
  return std::none_of(holes.begin(), holes.end(),
                      [&](const hole& h) { return distance(x - h.x, y - h.y) < h.countersink + margin; });
}

}  // namespace shape
}  // namespace dsmm::inline DSMM_ABI::line
