// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tools/line/blueprint.hpp"
#include "tools/line/marks.hpp"
#include "tools/line/serial.hpp"
#include "tools/line/texture.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// The camera of a session: takes the 512x512 GRAY8 picture of any part. Textures, light and geometry are made once;
/// a picture then costs about a millisecond. Integer pixels: equal bits on every machine. Use from one thread.
class camera {
public:
  static constexpr int width = shape::frame, height = shape::frame;

  explicit camera(std::uint64_t seed) : seed_(seed) {
    dice d(seed, 0, purpose::session);
    const float heading = d.real(0, 360);
    view_.light_x = cosine(degrees(heading)), view_.light_y = sine(degrees(heading));
    view_.face = d.real(128, 160), view_.background = d.real(14, 26);
    for (int i = 0; i < poses; ++i) {
      const float angle = 0.5f * static_cast<float>(i - poses / 2);
      blueprints_.push_back(draw_blueprint(view_, angle, true));
      blanks_.push_back(draw_blueprint(view_, angle, false));
    }
    const auto first = static_cast<finish>(d.between(0, 4));
    const auto second = static_cast<finish>((static_cast<int>(first) + d.between(1, 4)) % 5);
    finishes_ = {first, second};
    for (int i = 0; i < 6; ++i) {
      dice t(seed, static_cast<std::uint64_t>(i), purpose::texture);
      textures_.push_back(make_texture(i < 4 ? first : second, t, 36));
    }
    mottling_ = make_mottling(d);
    texture_gain_ = d.between(22, 38), mottling_gain_ = d.between(8, 22), noise_gain_ = d.between(10, 22);
    make_light(d);
    make_noise(d);
  }

  std::array<finish, 2> finishes() const noexcept { return finishes_; }
  const view_settings& view() const noexcept { return view_; }

  /// Takes the picture of the part.
  /// out   u8 (512, 512).
  /// mask  cleared, then filled with the ground truth of the part.
  void take(const part_truth& t, std::uint8_t* out, truth_mask& mask) {
    mask.cells.fill(0), mask.touched.fill(0);
    const auto part = static_cast<std::uint64_t>(t.part);
    dice d(seed_, part, purpose::pose);
    const int pose = d.between(0, poses - 1), dx = d.between(-6, 6), dy = d.between(-6, 6);
    const int focus = std::max(0, d.between(-60, 200));
    canvas_.mask = &mask;
    canvas_.centre_x = shape::frame / 2 - 0.5f + static_cast<float>(dx);
    canvas_.centre_y = shape::frame / 2 - 0.5f + static_cast<float>(dy);
    canvas_.turn_cos = cosine(degrees(blueprints_[static_cast<std::size_t>(pose)].angle));
    canvas_.turn_sin = sine(degrees(blueprints_[static_cast<std::size_t>(pose)].angle));
    const placement p = place(d, dx, dy, focus);
    compose(blueprints_[static_cast<std::size_t>(pose)], p, 0, 0, width, height);
    if (t.kind == part_kind::missing_hole) leave_out_hole(blanks_[static_cast<std::size_t>(pose)], p, t.hole);
    stamp_serial(canvas_, t.part);
    paint(t, part);
    expose(d, out);
  }

private:
  static constexpr int poses = 5;

  /// Where the texture of one part is taken from.
  struct placement {
    const texture* grain;
    int dx, dy, focus;
    int grain_x, grain_y, mottling_x, mottling_y;
  };

  placement place(dice& d, int dx, int dy, int focus) const noexcept {
    placement p{&textures_[static_cast<std::size_t>(d.between(0, 5))], dx, dy, focus, 0, 0, 0, 0};
    constexpr int slack = detail::free_size - shape::frame, middle = (detail::centred_size - shape::frame) / 2;
    p.grain_x = p.grain->centred ? middle - dx : d.between(0, slack);
    p.grain_y = p.grain->centred ? middle - dy : d.between(0, slack);
    p.mottling_x = d.between(0, slack), p.mottling_y = d.between(0, slack);
    return p;
  }

  /// Geometry plus texture where the face shows, in sixteenths of a grey level.
  void compose(const blueprint& b, const placement& p, int x0, int y0, int x1, int y1) noexcept {
    const auto focus = static_cast<std::int16_t>(p.focus), grain = static_cast<std::int16_t>(texture_gain_),
               slow = static_cast<std::int16_t>(mottling_gain_);
    for (int y = y0; y < y1; ++y) {
      const int from_y = y + blueprint::margin - p.dy, from_x = blueprint::margin - p.dx;
      const std::uint8_t *sharp = b.sharp.row(from_y) + from_x, *soft = b.soft.row(from_y) + from_x,
                         *face = b.face.row(from_y) + from_x;
      const std::int8_t *fine = p.grain->sharp.row(y + p.grain_y) + p.grain_x,
                        *blurred = p.grain->soft.row(y + p.grain_y) + p.grain_x,
                        *mottle = mottling_.row(y + p.mottling_y) + p.mottling_x;
      std::int16_t *level = canvas_.level.data() + canvas::index(0, y),
                   *bare = canvas_.bare.data() + canvas::index(0, y);
      std::uint8_t* shown = canvas_.face.data() + canvas::index(0, y);
      for (int x = x0; x < x1; ++x) {
        const auto geometry = static_cast<std::int16_t>(sharp[x] * 16 + (((soft[x] - sharp[x]) * focus) >> 4));
        const auto grained = static_cast<std::int16_t>(fine[x] * 4 + (((blurred[x] - fine[x]) * focus) >> 6));
        const auto pattern = static_cast<std::int16_t>((grained * grain + mottle[x] * slow * 4) >> 4);
        const auto amount = static_cast<std::int16_t>(face[x] << 7);
        bare[x] = geometry;
        shown[x] = face[x];
        level[x] = static_cast<std::int16_t>(geometry + static_cast<std::int16_t>((pattern * 2 * amount) >> 16));
      }
    }
  }

  void leave_out_hole(const blueprint& blank, const placement& p, int hole) noexcept {
    const shape::hole& h = shape::holes[static_cast<std::size_t>(hole)];
    const int reach = static_cast<int>(h.countersink) + 4;
    const int cx = static_cast<int>(canvas_.to_x(h.x, h.y) + 0.5f),
              cy = static_cast<int>(canvas_.to_y(h.x, h.y) + 0.5f);
    compose(blank, p, std::max(0, cx - reach), std::max(0, cy - reach), std::min(width, cx + reach),
            std::min(height, cy + reach));
    canvas_.around(canvas_.to_x(h.x, h.y), canvas_.to_y(h.x, h.y), 0, h.countersink, h.countersink,
                   [&](int x, int y, float u, float v) {
                     if (u * u + v * v < h.countersink * h.countersink) canvas_.mark(x, y, truth_mask::defect);
                   });
  }

  void paint(const part_truth& t, std::uint64_t part) {
    dice harmless(seed_, part, purpose::marks), specks(seed_, part, purpose::dust), d(seed_, part, purpose::defect);
    if (t.stain) marks::stain(canvas_, harmless, false);
    if (t.oil) marks::stain(canvas_, harmless, true);
    if (t.brush) marks::brush_marks(canvas_, harmless);
    if (t.weak_mark) marks::rub(canvas_, t, d);
    switch (t.kind) {
      case part_kind::scratch: marks::scratch(canvas_, t, d); break;
      case part_kind::dent: marks::dent(canvas_, t, view_.light_x, view_.light_y); break;
      case part_kind::crack: marks::crack(canvas_, t, d); break;
      case part_kind::chip: marks::chip(canvas_, t, d); break;
      default: break;
    }
    if (t.dust) marks::dust(canvas_, specks);
  }

  /// Light, exposure and sensor noise.
  void expose(dice& d, std::uint8_t* out) const noexcept {
    const int gain = d.between(14'600, 16'200), slope = d.between(-1, 1);  // of 16384
    const int ax = d.between(0, 255), ay = d.between(0, 255), bx = d.between(0, 255), by = d.between(0, 255);
    const auto amount = static_cast<std::int16_t>(noise_gain_);
    for (int y = 0; y < height; ++y) {
      const auto row_gain = static_cast<std::int16_t>(gain + slope * (y - height / 2) / 2);
      const std::int16_t *level = canvas_.level.data() + canvas::index(0, y), *light = light_.row(y);
      const std::int8_t *a = noise_.row(y + ay) + ax, *b = noise_.row(y + by) + bx;
      std::uint8_t* to = out + static_cast<std::ptrdiff_t>(y) * width;
      for (int x = 0; x < width; ++x) {
        const auto clipped = static_cast<std::int16_t>(std::clamp<std::int16_t>(level[x], 0, 4080) * 8);
        const auto exposed = static_cast<std::int16_t>(static_cast<std::int16_t>((clipped * row_gain) >> 16) * 4);
        const auto lit = static_cast<std::int16_t>((exposed * light[x]) >> 16);  // eighths
        const auto noisy = static_cast<std::int16_t>(lit + (((a[x] + b[x]) * amount) >> 5));
        to[x] = static_cast<std::uint8_t>(std::clamp<std::int16_t>(static_cast<std::int16_t>(noisy >> 3), 0, 255));
      }
    }
  }

  /// 4096 = level 1: gradient, vignetting, and the bright fan that turned metal shows under a lamp.
  void make_light(dice& d) {
    light_ = plate<std::int16_t>(width, height);
    const float gx = d.real(-0.16f, 0.16f), gy = d.real(-0.16f, 0.16f), vignette = d.real(0.10f, 0.30f);
    const float fan = finishes_[0] == finish::turned ? d.real(0.06f, 0.14f) : 0.0f, level = d.real(1.0f, 1.14f);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const float u = (static_cast<float>(x) - 255.5f) * (1.0f / 256),
                    v = (static_cast<float>(y) - 255.5f) * (1.0f / 256);
        const float r2 = u * u + v * v, along = u * view_.light_x + v * view_.light_y;
        const float anisotropic = fan * (2 * along * along / (r2 + 1e-3f) - 1);
        const float value = level * (1 + gx * u + gy * v) * (1 - vignette * r2 * 0.5f) + anisotropic;
        light_.row(y)[x] = static_cast<std::int16_t>(std::clamp(value * 4096.0f, 800.0f, 7600.0f));
      }
  }

  void make_noise(dice& d) {
    noise_ = plate<std::int8_t>(detail::free_size, detail::free_size);
    const std::uint64_t key = d.next();
    for (std::size_t i = 0; i < noise_.values.size(); ++i)
      noise_.values[i] = static_cast<std::int8_t>(std::clamp(bell(key + i) * 22.0f, -127.0f, 127.0f));
  }

  std::uint64_t seed_;
  view_settings view_;
  std::array<finish, 2> finishes_{};
  std::vector<blueprint> blueprints_, blanks_;
  std::vector<texture> textures_;
  plate<std::int8_t> mottling_, noise_;
  plate<std::int16_t> light_;
  int texture_gain_ = 0, mottling_gain_ = 0, noise_gain_ = 0;
  canvas canvas_;
};

}  // namespace dsmm::inline DSMM_ABI::line
