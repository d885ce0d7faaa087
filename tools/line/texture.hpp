// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "tools/line/dice.hpp"
#include "tools/line/plate.hpp"
#include "tools/line/sine.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// How the face was machined.
enum class finish : std::uint8_t { brushed, cross_ground, turned, milled, blasted };
inline constexpr std::array<const char*, 5> finish_names{"brushed", "cross_ground", "turned", "milled", "blasted"};

/// Surface texture, -127..127, as a sharp and a defocused plate. Turned and milled faces belong to the part's centre
/// and are as large as the picture plus a margin; the others are larger and may be shifted freely.
struct texture {
  plate<std::int8_t> sharp, soft;
  bool centred = false;
};

namespace detail {

inline constexpr int free_size = 768, centred_size = 544;

inline plate<float> white_noise(dice& d, int size) {
  plate<float> out(size, size);
  const std::uint64_t key = d.next();
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] = bell(key + i);
  return out;
}

/// Scales to standard deviation `deviation` of the int8 range.
inline plate<std::int8_t> to_int8(const plate<float>& in, float deviation) {
  double sum = 0, squares = 0;
  for (const float v : in.values)
    sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
  const double n = static_cast<double>(in.values.size()), mean = sum / n;
  const double spread = std::sqrt(std::max(squares / n - mean * mean, 1e-12));
  plate<std::int8_t> out(in.width, in.height);
  for (std::size_t i = 0; i < in.values.size(); ++i) {
    const double v = (static_cast<double>(in.values[i]) - mean) * (static_cast<double>(deviation) / spread);
    out.values[i] = static_cast<std::int8_t>(std::clamp(v, -127.0, 127.0));
  }
  return out;
}

inline void add(plate<float>& to, const plate<float>& from, float gain) {
  for (std::size_t i = 0; i < to.values.size(); ++i) to.values[i] = to.values[i] + gain * from.values[i];
}

/// Streaks along x of several lengths.
inline plate<float> streaks(dice& d, int size) {
  plate<float> out(size, size);
  const int longest = d.between(90, 180);
  const std::pair<int, float> bands[] = {{longest, 9.0f}, {longest / 3, 4.0f}, {9, 1.6f}};
  for (const auto& [length, gain] : bands)
    add(out, smooth_x(smooth_x(white_noise(d, size), length), length / 2 + 1), gain);
  return out;
}

inline plate<float> sheared(const plate<float>& in, float slope) {
  plate<float> out(in.width, in.height);
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x) {
      const int from = y + static_cast<int>(slope * static_cast<float>(x) + 4096.0f) - 4096;
      out.row(y)[x] = in.row(((from % in.height) + in.height) % in.height)[x];
    }
  return out;
}

/// One-dimensional profile of feed marks: a periodic groove, uneven in depth, with fine lines on it.
inline std::vector<float> feed_marks(dice& d, int count, float pitch) {
  const std::uint64_t key = d.next();
  std::vector<float> out(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const float turns = static_cast<float>(i) / (8.0f * pitch);
    const auto whole = static_cast<int>(turns);
    const float depth = 0.7f + 0.35f * bell(key + static_cast<std::uint64_t>(whole));
    const float wave = sine(static_cast<std::uint32_t>((turns - static_cast<float>(whole)) * 4294967040.0f));
    out[static_cast<std::size_t>(i)] = depth * wave + 0.9f * bell(key + 100'000 + static_cast<std::uint64_t>(i / 6));
  }
  return out;
}

/// Lines through profile[8 * u(x, y)], mixed with a little grain.
template <class Coordinate>
plate<float> along(dice& d, const std::vector<float>& profile, float grain, Coordinate u) {
  plate<float> out(centred_size, centred_size);
  const plate<float> noise = white_noise(d, centred_size);
  for (int y = 0; y < centred_size; ++y)
    for (int x = 0; x < centred_size; ++x) {
      const float at = u(static_cast<float>(x - centred_size / 2), static_cast<float>(y - centred_size / 2)) * 8.0f;
      const auto i = static_cast<std::size_t>(std::clamp(at, 0.0f, static_cast<float>(profile.size() - 1)));
      out.row(y)[x] = profile[i] + grain * noise.row(y)[x];
    }
  return out;
}

}  // namespace detail

/// Makes one texture of the finish. Sums, products and square roots only: equal on every machine.
inline texture make_texture(finish kind, dice& d, float deviation) {
  using namespace detail;
  plate<float> p;
  bool centred = false;
  switch (kind) {
    case finish::brushed: {
      const float slope = d.real(-0.04f, 0.04f);
      p = sheared(streaks(d, free_size), slope);
      break;
    }
    case finish::cross_ground: {
      const float slope = d.real(0.25f, 0.5f);
      p = sheared(streaks(d, free_size), slope);
      add(p, sheared(streaks(d, free_size), -slope), 1.0f);
      break;
    }
    case finish::turned: {
      centred = true;
      const std::vector<float> profile = feed_marks(d, 8 * 420, d.real(3.4f, 5.4f));
      const float dx = d.real(-2, 2), dy = d.real(-2, 2);
      p = along(d, profile, 0.45f,
                [=](float x, float y) { return std::sqrt((x - dx) * (x - dx) + (y - dy) * (y - dy)); });
      break;
    }
    case finish::milled: {
      centred = true;
      const std::vector<float> profile = feed_marks(d, 8 * 900, d.real(6.0f, 10.0f));
      const float radius = d.real(300, 420), side = d.chance(500) ? 1.0f : -1.0f, dy = d.real(-20, 20);
      const auto arc = [=](float x, float y) {
        return 450.0f + side * x - (radius - std::sqrt(radius * radius - (y - dy) * (y - dy)));
      };
      p = along(d, profile, 0.55f, arc);
      break;
    }
    case finish::blasted:
      p = white_noise(d, free_size);
      add(p, smooth_y(smooth_x(white_noise(d, free_size), 3), 3), 3.4f);
      break;
  }
  texture t;
  t.centred = centred;
  t.sharp = to_int8(p, deviation);
  t.soft = defocused(t.sharp);
  return t;
}

/// Slow unevenness of the surface, -127..127.
inline plate<std::int8_t> make_mottling(dice& d) {
  using namespace detail;
  plate<float> p = white_noise(d, free_size);
  for (int pass = 0; pass < 2; ++pass) p = smooth_y(smooth_x(p, 41), 41);
  return to_int8(p, 40);
}

}  // namespace dsmm::inline DSMM_ABI::line
