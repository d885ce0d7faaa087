// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/explain/canvas.hpp"
#include "dsmm/explain/colour.hpp"
#include "dsmm/explain/font.hpp"
#include "dsmm/explain/text_line.hpp"

namespace dsmm::inline DSMM_ABI {

/// A marked region, in fractions of the picture.
struct overlay_box {
  float left = 0, top = 0, right = 0, bottom = 0;  ///< [0, 1]
  float peak = 0;                                  ///< shown in per cent after the label, [0, 1]
  std::string_view label{};
};

/// One sensor in the bottom line.
struct overlay_sensor {
  std::string_view name{};
  std::string_view health{};  ///< empty if there is nothing to say
  colour light{};
  std::chrono::nanoseconds age{};
};

/// What an operator sees on a frame. Views are read during the call only.
struct overlay_scene {
  std::string_view verdict{};  ///< short, in large type
  std::string_view detail{};   ///< reason or class of the defect
  std::string_view model{};
  colour tint{};  ///< of verdict, boxes and score bar
  float score = 0, threshold = 0;
  std::chrono::nanoseconds latency{};
  std::span<const overlay_box> boxes{};
  std::span<const overlay_sensor> sensors{};
};

/// Size of type and lines for a picture: 1 for 320x240, 2 for 640x480, 3 for Full HD.
inline std::int32_t overlay_scale(std::int32_t width, std::int32_t height) noexcept {
  return std::clamp((std::min(width, height) + 160) / 320, 1, 8);
}

namespace detail {
inline constexpr std::int32_t veil = 184;  ///< density of the bars under text

inline colour text_on(colour ground) noexcept { return ground.luma() > 140 ? palette::ink : palette::white; }

/// Fraction 0..1 of `size` pixels, kept inside the picture; NaN is 0. Exact in double, so fusing changes nothing.
inline std::int32_t to_pixel(float fraction, std::int32_t size) noexcept {
  if (!(fraction > 0)) return 0;
  return fraction >= 1 ? size : static_cast<std::int32_t>(double{fraction} * size + 0.5);
}
}  // namespace detail

/// Outlines a region and puts a filled label on its upper edge, or inside where there is no room above.
/// scale at least 1; `ceiling` is the first row that a label may use.
inline void draw_box(const canvas& on, const overlay_box& box, colour tint, std::int32_t scale,
                     std::int32_t ceiling = 0) noexcept {
  const pixel_rect r{detail::to_pixel(box.left, on.width()), detail::to_pixel(box.top, on.height()),
                     detail::to_pixel(box.right, on.width()), detail::to_pixel(box.bottom, on.height())};
  on.outline({r.left - scale, r.top - scale, r.right + scale, r.bottom + scale}, scale, palette::ink, 110);
  on.outline(r, scale, tint);
  text_line text;
  text << box.label << (box.label.empty() ? "" : " ");
  text.fixed(std::clamp(static_cast<double>(box.peak), 0.0, 1.0) * 100, 0) << "%";
  const std::int32_t width = font::width(text.view().size(), scale) + 6 * scale, height = 12 * scale;
  const std::int32_t left = std::max(0, std::min(r.left, on.width() - width));
  const std::int32_t top = r.top - height >= ceiling ? r.top - height : std::max(r.top, ceiling);
  on.fill_rounded({left, top, left + width, top + height}, 2 * scale, tint);
  font::draw(on, left + 3 * scale, top + 2 * scale, scale, text.view(), detail::text_on(tint));
}

/// The bar across the top: verdict, detail, score against threshold, model and latency; under it the score bar, full
/// at twice the threshold with a mark at the threshold. Returns the first row below.
inline std::int32_t draw_banner(const canvas& on, const overlay_scene& scene, std::int32_t scale) noexcept {
  const std::int32_t pad = 4 * scale, height = 26 * scale, bar = 4 * scale;
  on.fill({0, 0, on.width(), height}, palette::ink, detail::veil);
  const std::int32_t pill = pad + font::width(scene.verdict.size(), 2 * scale) + 10 * scale;
  on.fill_rounded({pad, 3 * scale, pill, height - 3 * scale}, 4 * scale, scene.tint);
  font::draw(on, pad + 5 * scale, 6 * scale, 2 * scale, scene.verdict, detail::text_on(scene.tint));
  const std::int32_t detail_left = pill + 2 * pad;
  std::int32_t room = on.width() - detail_left;

  text_line numbers, origin;
  (numbers << "score ").fixed(scene.score, 3) << " limit ";
  numbers.fixed(scene.threshold, 3);
  origin << scene.model << (scene.model.empty() ? "" : "  ");
  origin.fixed(std::chrono::duration<double, std::milli>(scene.latency).count(), 1) << " ms";
  const std::int32_t wanted = font::width(std::max(numbers.view().size(), origin.view().size()), scale) + pad;
  const std::int32_t detail_width = font::width(scene.detail.size(), scale) + 2 * pad;
  if (room >= wanted + detail_width) {
    const auto right_aligned = [&](std::string_view text, std::int32_t y, colour paint) {
      font::draw(on, on.width() - pad - font::width(text.size(), scale), y, scale, text, paint);
    };
    right_aligned(numbers.view(), 4 * scale, palette::white);
    right_aligned(origin.view(), 14 * scale, palette::grey);
    room -= wanted;
  }
  font::draw(on, detail_left, 9 * scale, scale,
             scene.detail.substr(0, static_cast<std::size_t>(std::max(room / (font::advance * scale), 0))),
             palette::white);

  const float full = scene.threshold > 0 ? 2 * scene.threshold : 1.0f;
  on.fill({0, height, on.width(), height + bar}, palette::ink, 232);
  on.fill({0, height, detail::to_pixel(scene.score / full, on.width()), height + bar - scale}, scene.tint);
  if (scene.threshold > 0)
    on.fill({on.width() / 2 - scale / 2, height, on.width() / 2 - scale / 2 + scale, height + bar}, palette::white);
  return height + bar;
}

/// The bar across the bottom: a light, the name and the age of every sensor, left to right; "+2" at the right says how
/// many had no room, so put the worst first.
inline void draw_sensors(const canvas& on, std::span<const overlay_sensor> sensors, std::int32_t scale) noexcept {
  if (sensors.empty()) return;
  const std::int32_t top = on.height() - 14 * scale, text_top = top + 4 * scale;
  on.fill({0, top, on.width(), on.height()}, palette::ink, detail::veil);
  std::int32_t x = 4 * scale;
  for (std::size_t i = 0; i < sensors.size(); ++i) {
    const overlay_sensor& sensor = sensors[i];
    text_line age, more;
    age << sensor.health << (sensor.health.empty() ? "" : " ")
        << std::int64_t{std::chrono::duration_cast<std::chrono::milliseconds>(sensor.age).count()} << " ms";
    more << "+" << static_cast<std::int64_t>(sensors.size() - i);
    const std::int32_t name_left = x + 10 * scale;
    const std::int32_t age_left = name_left + font::width(sensor.name.size() + 1, scale) + scale;
    const std::int32_t end = age_left + font::width(age.view().size(), scale);
    const std::int32_t reserved = i + 1 == sensors.size() ? 0 : font::width(6, scale);
    if (end + reserved > on.width()) {
      font::draw(on, x, text_top, scale, more.view(), palette::white);
      return;
    }
    on.fill_rounded({x, top + 4 * scale, x + 7 * scale, top + 11 * scale}, 3 * scale, sensor.light);
    font::draw(on, name_left, text_top, scale, sensor.name, palette::white);
    font::draw(on, age_left, text_top, scale, age.view(), palette::grey);
    x = end + 12 * scale;
  }
}

/// Which parts of a scene are drawn.
struct overlay_options {
  bool verdict = true;  ///< banner, score bar and sensor line
  bool boxes = true;
  std::int32_t scale = 0;  ///< 0 = overlay_scale()
};

/// Draws a scene over a picture of any size. Allocates nothing; same scene and picture, same bytes.
inline void draw_overlay(const canvas& on, const overlay_scene& scene, const overlay_options& options = {}) noexcept {
  const std::int32_t scale = options.scale > 0 ? options.scale : overlay_scale(on.width(), on.height());
  const std::int32_t ceiling = options.verdict ? 30 * scale : 0;
  if (options.boxes)
    for (auto box = scene.boxes.rbegin(); box != scene.boxes.rend(); ++box)  // the worst last: on top
      draw_box(on, *box, scene.tint, scale, ceiling);
  if (!options.verdict) return;
  draw_banner(on, scene, scale);
  draw_sensors(on, scene.sensors, scale);
}

}  // namespace dsmm::inline DSMM_ABI
