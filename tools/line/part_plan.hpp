// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "tools/line/dice.hpp"
#include "tools/line/part_shape.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// What is wrong with a part. Tool rub is the combination of a weak visible rub mark and a weak force event in the same
/// stroke; each of the two alone is harmless.
enum class part_kind : std::uint8_t {
  good,
  scratch,
  dent,
  crack,
  missing_hole,
  chip,
  chatter,
  impacts,
  misfeed,
  tool_rub
};

inline constexpr std::array<const char*, 10> part_kind_names{"good", "scratch", "dent",    "crack",   "missing_hole",
                                                             "chip", "chatter", "impacts", "misfeed", "tool_rub"};
constexpr const char* to_string(part_kind k) noexcept { return part_kind_names[static_cast<std::size_t>(k)]; }
constexpr bool is_image_only(part_kind k) noexcept { return k >= part_kind::scratch && k <= part_kind::chip; }
constexpr bool is_sensor_only(part_kind k) noexcept { return k >= part_kind::chatter && k <= part_kind::misfeed; }

/// Which evidence shows that a part is defective.
enum class evidence : std::uint8_t { none, image, sensor, both };
inline constexpr std::array<const char*, 4> evidence_names{"good", "image", "sensor", "both"};
constexpr evidence evidence_of(part_kind k) noexcept {
  return k == part_kind::good ? evidence::none
         : is_image_only(k)   ? evidence::image
         : is_sensor_only(k)  ? evidence::sensor
                              : evidence::both;
}

/// Ground truth of one part.
struct part_truth {
  std::int64_t part = 0;
  part_kind kind = part_kind::good;
  bool weak_mark = false, weak_event = false;                    ///< both exactly for tool_rub
  bool stain = false, oil = false, brush = false, dust = false;  ///< harmless marks
  bool thump = false;                                            ///< harmless knock from a neighbour machine
  float x = 0, y = 0, angle = 0, size = 0, contrast = 0;  ///< the mark: part coordinates, degrees, px, grey levels
  std::int32_t hole = -1;                                 ///< missing_hole: index into shape::holes
  float event_phase = 0, event_length = 0, event_strength = 0;  ///< start and length in cycles, relative strength
  bool defective() const noexcept { return kind != part_kind::good; }
};

/// Shares of the kinds, per mille. What is left of 1000 is good.
struct part_mix {
  int image = 150, sensor = 150, both = 150;
  int good_weak_mark = 125, good_weak_event = 125;  ///< of the good parts
};

namespace detail {

inline void place_on_face(dice& d, float margin, part_truth& t) noexcept {
  for (int attempt = 0; attempt < 200; ++attempt) {
    t.x = d.real(-200, 200);
    t.y = d.real(-200, 200);
    if (shape::on_face(t.x, t.y, margin)) return;
  }
  t.x = 0, t.y = -132;  // a free spot of this product
}

inline void plan_mark(dice& d, part_truth& t) noexcept {
  t.angle = d.real(0, 360);
  switch (t.kind) {
    case part_kind::scratch: t.size = d.real(46, 120), t.contrast = d.real(44, 80); return place_on_face(d, 12, t);
    case part_kind::dent: t.size = d.real(9, 16), t.contrast = d.real(36, 62); return place_on_face(d, 14, t);
    case part_kind::crack: t.size = d.real(42, 84), t.contrast = d.real(48, 80); return place_on_face(d, 10, t);
    case part_kind::missing_hole: t.hole = d.between(0, 5); return;
    case part_kind::chip: {
      t.size = d.real(9, 17), t.contrast = d.real(50, 80);
      const float along = d.real(-150, 150), edge = shape::half_side - d.real(0, 4);
      const int side = d.between(0, 3);
      t.x = side < 2 ? along : (side == 2 ? edge : -edge);
      t.y = side < 2 ? (side == 0 ? edge : -edge) : along;
      return;
    }
    default:  // the weak rub mark
      t.size = d.real(26, 35), t.contrast = d.real(19, 27);
      return place_on_face(d, 20, t);
  }
}

inline void plan_event(dice& d, part_truth& t) noexcept {
  switch (t.kind) {
    case part_kind::chatter: t.event_length = d.real(0.28f, 0.40f), t.event_strength = d.real(0.8f, 1.15f); break;
    case part_kind::impacts: t.event_length = d.real(0.36f, 0.44f), t.event_strength = d.real(0.8f, 1.25f); break;
    case part_kind::misfeed: t.event_length = d.real(0.24f, 0.36f), t.event_strength = d.real(0.34f, 0.48f); break;
    default: t.event_length = d.real(0.22f, 0.28f), t.event_strength = d.real(0.14f, 0.19f); break;  // weak
  }
  t.event_phase = d.real(0.14f, 0.60f - t.event_length);
}

}  // namespace detail

/// Decides what part `part` of the session `seed` is. Every part is planned on its own.
inline part_truth plan_part(std::uint64_t seed, std::int64_t part, const part_mix& mix = {}) noexcept {
  dice d(seed, static_cast<std::uint64_t>(part), purpose::plan);
  part_truth t;
  t.part = part;
  const int draw = d.between(0, 999);
  if (draw < mix.image) t.kind = static_cast<part_kind>(d.between(1, 5));
  else if (draw < mix.image + mix.sensor) t.kind = static_cast<part_kind>(d.between(6, 8));
  else if (draw < mix.image + mix.sensor + mix.both) t.kind = part_kind::tool_rub;
  const int alone = d.between(0, 999);
  const bool good = t.kind == part_kind::good;
  t.weak_mark = t.kind == part_kind::tool_rub || (good && alone < mix.good_weak_mark);
  t.weak_event = t.kind == part_kind::tool_rub ||
                 (good && alone >= mix.good_weak_mark && alone < mix.good_weak_mark + mix.good_weak_event);
  t.stain = d.chance(220), t.oil = d.chance(150), t.brush = d.chance(150), t.dust = d.chance(400);
  t.thump = d.chance(120);
  if (is_image_only(t.kind) || t.weak_mark) detail::plan_mark(d, t);
  if (is_sensor_only(t.kind) || t.weak_event) detail::plan_event(d, t);
  return t;
}

}  // namespace dsmm::inline DSMM_ABI::line
