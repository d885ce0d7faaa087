// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "tools/line/part_shape.hpp"
#include "tools/line/sine.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// Ground truth at 1/8 of the picture: 0, `weak` for a rub mark (harmless alone), `defect` for a visible defect.
struct truth_mask {
  static constexpr int size = shape::frame / 8;
  static constexpr std::uint8_t weak = 128, defect = 255;
  std::array<std::uint8_t, size * size> cells{};
  std::array<std::uint8_t, size * size> touched{};  ///< marked pixels per cell, at most 64
};

/// The picture before light and noise: grey levels in sixteenths, and the pose that leads from part to picture.
struct canvas {
  static constexpr int size = shape::frame;
  std::vector<std::int16_t> level = std::vector<std::int16_t>(static_cast<std::size_t>(size) * size);
  std::vector<std::uint8_t> face =
      std::vector<std::uint8_t>(static_cast<std::size_t>(size) * size);  ///< 255 = plain face
  std::vector<std::int16_t> bare =
      std::vector<std::int16_t>(static_cast<std::size_t>(size) * size);  ///< without texture
  float centre_x = 0, centre_y = 0, turn_cos = 1, turn_sin = 0;
  truth_mask* mask = nullptr;

  static constexpr std::size_t index(int x, int y) noexcept {
    return static_cast<std::size_t>(y) * size + static_cast<std::size_t>(x);
  }
  float to_x(float px, float py) const noexcept { return centre_x + px * turn_cos - py * turn_sin; }
  float to_y(float px, float py) const noexcept { return centre_y + px * turn_sin + py * turn_cos; }

  void add(int x, int y, float grey) noexcept {
    std::int16_t& v = level[index(x, y)];
    v = static_cast<std::int16_t>(std::clamp(v + static_cast<int>(grey * 16.0f), 0, 4080));
  }
  void mark(int x, int y, std::uint8_t value) noexcept {
    const auto cell = static_cast<std::size_t>((y / 8) * truth_mask::size + x / 8);
    if (mask->touched[cell] < 64) ++mask->touched[cell];
    if (mask->touched[cell] >= 4) mask->cells[cell] = value;
  }

  /// Calls paint(x, y, u, v) for every pixel of the picture whose distance from (cx, cy) is at most `reach` along both
  /// axes of a frame turned by `turn`; u and v are the coordinates in that frame.
  template <class Paint>
  void around(float cx, float cy, std::uint32_t turn, float reach_u, float reach_v, Paint&& paint) {
    const float c = cosine(turn), s = sine(turn);
    const auto magnitude = [](float v) { return v < 0 ? -v : v; };
    const float box_x = magnitude(c) * reach_u + magnitude(s) * reach_v,
                box_y = magnitude(s) * reach_u + magnitude(c) * reach_v;
    const int x0 = std::max(0, static_cast<int>(cx - box_x)), x1 = std::min(size - 1, static_cast<int>(cx + box_x) + 1);
    const int y0 = std::max(0, static_cast<int>(cy - box_y)), y1 = std::min(size - 1, static_cast<int>(cy + box_y) + 1);
    for (int y = y0; y <= y1; ++y)
      for (int x = x0; x <= x1; ++x) {
        const float dx = static_cast<float>(x) - cx, dy = static_cast<float>(y) - cy;
        const float u = dx * c + dy * s, v = dy * c - dx * s;
        if (magnitude(u) <= reach_u && magnitude(v) <= reach_v) paint(x, y, u, v);
      }
  }
};

}  // namespace dsmm::inline DSMM_ABI::line
