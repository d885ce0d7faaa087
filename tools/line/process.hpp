// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "tools/line/part_plan.hpp"
#include "tools/line/sine.hpp"

namespace dsmm::inline DSMM_ABI::line {

inline constexpr std::int64_t vibration_rate = 20'000, current_rate = 1'000, force_rate = 1'000, temperature_rate = 100;

/// When part k is exposed: t_k = (k + 1) / fps. Its stroke is the time since the exposure before, at most 1/60 s.
struct line_clock {
  std::int64_t fps = 60;

  constexpr std::int64_t exposure_ns(std::int64_t part) const noexcept { return (part + 1) * 1'000'000'000 / fps; }
  /// The part whose (t_k - 1/fps, t_k] holds the time; -1 for time 0.
  constexpr std::int64_t part_at(std::int64_t ns) const noexcept {
    return (ns * fps + 999'999'999) / 1'000'000'000 - 1;
  }
  /// Position inside the stroke, 0..1; negative while the machine waits.
  constexpr float phase_at(std::int64_t ns, std::int64_t part) const noexcept {
    const std::int64_t stroke = 1'000'000'000 / std::max<std::int64_t>(fps, 60);
    return static_cast<float>(ns - exposure_ns(part) + stroke) * (1.0f / static_cast<float>(stroke));
  }
  /// Samples of a stream whose time is <= t_k: one past the last sample of part k.
  constexpr std::int64_t samples_until(std::int64_t part, std::int64_t rate) const noexcept {
    return (part + 1) * rate / fps + 1;
  }
};

/// The machine of one session: speeds, resonances, levels. Every session has its own.
struct process_profile {
  double spindle_hz, resonance_hz[4], chatter_hz, ring_hz, slip_hz, thump_hz;
  int teeth;
  float unbalance, tooth, narrow, floor_noise, mix[3][3];
  float force_level, force_noise, current_idle, current_load, current_noise, temperature, drift;
  float ramp_up, ramp_down;

  static process_profile of(std::uint64_t seed) noexcept {
    dice d(seed, 0, purpose::process);
    process_profile p{};
    p.spindle_hz = static_cast<double>(d.real(255, 395));
    p.teeth = d.between(2, 4);
    const double resonance = static_cast<double>(d.real(2300, 3300));
    for (double& r : p.resonance_hz) r = resonance + static_cast<double>(d.real(-160, 160));
    p.chatter_hz = resonance * static_cast<double>(d.real(1.36f, 1.52f));
    p.ring_hz = static_cast<double>(d.real(5600, 7600));
    p.slip_hz = static_cast<double>(d.real(1650, 2050));
    p.thump_hz = static_cast<double>(d.real(170, 420));
    p.unbalance = d.real(0.10f, 0.22f), p.tooth = d.real(0.45f, 0.65f);
    p.narrow = d.real(0.05f, 0.09f), p.floor_noise = d.real(0.05f, 0.09f);
    for (auto& row : p.mix)
      for (float& gain : row) gain = d.real(-0.25f, 0.25f);
    for (int c = 0; c < 3; ++c) p.mix[c][c] = d.real(0.75f, 1.15f);
    p.force_level = d.real(185, 255), p.force_noise = d.real(1.2f, 2.6f);
    p.current_idle = d.real(0.9f, 1.3f), p.current_load = d.real(2.2f, 3.2f), p.current_noise = d.real(0.02f, 0.05f);
    p.temperature = d.real(36, 47), p.drift = d.real(-0.01f, 0.02f);
    p.ramp_up = d.real(0.10f, 0.13f), p.ramp_down = d.real(0.62f, 0.65f);
    return p;
  }
};

/// The sensors of the simulated machine. Any stretch of samples can be asked for, in any order; equal bits everywhere.
class process {
public:
  process(std::uint64_t seed, line_clock clock, const part_mix& mix = {}) noexcept
      : seed_(seed),
        clock_(clock),
        mix_(mix),
        profile_(process_profile::of(seed)),
        noise_key_(scramble(seed ^ 0x5EED)) {
    rev_ = phase_step(profile_.spindle_hz, vibration_rate);
    for (int j = 0; j < 4; ++j) narrow_[j] = phase_step(profile_.resonance_hz[j], vibration_rate);
    chatter_ = phase_step(profile_.chatter_hz, vibration_rate);
    ring_ = phase_step(profile_.ring_hz, vibration_rate);
    slip_ = phase_step(profile_.slip_hz, vibration_rate);
    thump_ = phase_step(profile_.thump_hz, vibration_rate);
  }

  const process_profile& profile() const noexcept { return profile_; }

  /// Acceleration in g, (count, 3).
  void vibration(std::int64_t first, std::size_t count, float* out) noexcept {
    for (std::size_t n = 0; n < count; ++n, out += 3) vibration_at(first + static_cast<std::int64_t>(n), out);
  }
  /// Motor current in A.
  void current(std::int64_t first, std::size_t count, float* out) noexcept {
    for (std::size_t n = 0; n < count; ++n) {
      const std::int64_t i = first + static_cast<std::int64_t>(n);
      const moment m = at(i * (1'000'000'000 / current_rate));
      const float work = profile_.current_load * m.load * (1.0f - 0.55f * m.dip) * stroke_gain(m.part);
      out[n] = profile_.current_idle + work + profile_.current_noise * noise(purpose::current, i);
    }
  }
  /// Press force in N.
  void force(std::int64_t first, std::size_t count, float* out) noexcept {
    for (std::size_t n = 0; n < count; ++n) {
      const std::int64_t i = first + static_cast<std::int64_t>(n);
      const moment m = at(i * (1'000'000'000 / force_rate));
      const float work = profile_.force_level * m.load * (1.0f - m.dip) * stroke_gain(m.part);
      out[n] = 6.0f + work + profile_.force_noise * noise(purpose::force, i);
    }
  }
  /// Temperature of the spindle bearing in degrees Celsius.
  void temperature(std::int64_t first, std::size_t count, float* out) noexcept {
    for (std::size_t n = 0; n < count; ++n) {
      const std::int64_t i = first + static_cast<std::int64_t>(n);
      const auto slow = static_cast<float>(i) * (1.0f / static_cast<float>(temperature_rate));
      const float wave = 0.25f * sine(static_cast<std::uint32_t>(i) * phase_step(1.0 / 41, temperature_rate));
      out[n] = profile_.temperature + profile_.drift * slow + wave + 0.04f * noise(purpose::temperature, i);
    }
  }

private:
  struct moment {
    std::int64_t part = -1;
    float phase = -1, load = 0, dip = 0;
  };

  static float smooth(float low, float high, float v) noexcept {
    const float t = std::clamp((v - low) / (high - low), 0.0f, 1.0f);
    return t * t * (3.0f - 2.0f * t);
  }
  static float window(float start, float length, float edge, float v) noexcept {
    return smooth(start, start + edge, v) * (1.0f - smooth(start + length - edge, start + length, v));
  }
  float noise(purpose use, std::int64_t i) const noexcept {
    return bell(noise_key_ + static_cast<std::uint64_t>(i) * 16 + static_cast<std::uint64_t>(use));
  }
  float stroke_gain(std::int64_t part) const noexcept {
    return 1.0f + 0.02f * bell(noise_key_ ^ (static_cast<std::uint64_t>(part) * 2 + 1));
  }

  moment at(std::int64_t ns) noexcept {
    moment m;
    m.part = clock_.part_at(ns);
    if (m.part < 0) return m;
    if (m.part != planned_.part || !have_plan_) planned_ = plan_part(seed_, m.part, mix_), have_plan_ = true;
    m.phase = clock_.phase_at(ns, m.part);
    if (m.phase < 0) return m;
    m.load = smooth(0.04f, profile_.ramp_up, m.phase) *
             (1.0f - smooth(profile_.ramp_down, profile_.ramp_down + 0.07f, m.phase));
    if (planned_.kind == part_kind::misfeed || planned_.weak_event)
      m.dip = planned_.event_strength * window(planned_.event_phase, planned_.event_length, 0.03f, m.phase);
    return m;
  }

  void vibration_at(std::int64_t i, float* out) noexcept {
    const moment m = at(i * (1'000'000'000 / vibration_rate));
    const auto n = static_cast<std::uint32_t>(i);
    const std::uint32_t turn = n * rev_, passing = turn * static_cast<std::uint32_t>(profile_.teeth);
    float narrow = 0;
    for (int j = 0; j < 4; ++j) narrow += sine(n * narrow_[j] + static_cast<std::uint32_t>(j) * 0x3A5F'1234u);

    float cutting = profile_.tooth * m.load * (sine(passing) + 0.45f * sine(passing * 2) + 0.2f * sine(passing * 3));
    float x = profile_.unbalance * (sine(turn) + 0.35f * sine(turn * 2 + 0x2000'0000u));
    float y = profile_.unbalance * (cosine(turn) + 0.3f * cosine(turn * 3));
    float z = 0;
    const part_truth& t = planned_;
    if (m.part >= 0) {
      const float e = t.event_length > 0 ? window(t.event_phase, t.event_length, 0.04f, m.phase) : 0.0f;
      if (t.kind == part_kind::chatter &&
          e > 0) {  // energy moves from the teeth to the chatter line: RMS barely changes
        cutting *= 1.0f - 0.42f * e * t.event_strength;
        const float beat = 1.0f + 0.8f * sine(turn);
        z += profile_.tooth * 0.52f * t.event_strength * e * beat * sine(n * chatter_);
        x += profile_.tooth * 0.26f * t.event_strength * e * beat * cosine(n * chatter_);
      } else if (t.kind == part_kind::impacts) {
        z += impacts(i, m, t);
      } else if (t.kind == part_kind::misfeed) {
        cutting *= 1.0f - 0.5f * e * t.event_strength;
      } else if (t.weak_event && e > 0) {
        x += profile_.tooth * 0.42f * e * sine(n * slip_);
        z += profile_.tooth * 0.42f * e * cosine(n * slip_);
      }
      if (t.thump) z += thump(i, m);
    }
    x += 0.8f * cutting + narrow * profile_.narrow * (0.4f + m.load);
    y += 0.6f * cutting + narrow * profile_.narrow * (0.3f + 0.6f * m.load);
    z += 0.5f * cutting + narrow * profile_.narrow * (0.3f + 0.4f * m.load);
    for (int c = 0; c < 3; ++c) {
      const float* g = profile_.mix[c];
      const float signal = (g[0] * x + g[1] * y) + g[2] * z;
      out[c] = signal + profile_.floor_noise * noise(purpose::vibration, i * 3 + c);
    }
  }

  /// Short ringing knocks at a steady rate, as from a damaged bearing.
  float impacts(std::int64_t i, const moment& m, const part_truth& t) const noexcept {
    const std::int64_t since = static_cast<std::int64_t>((m.phase - t.event_phase) * stroke_samples());
    if (since < 0 || m.phase > t.event_phase + t.event_length) return 0;
    const std::int64_t spacing = 27 + (t.part & 7), age = since % spacing;
    float level = profile_.tooth * 1.9f * t.event_strength;
    for (std::int64_t k = 0; k < age; ++k) level *= 0.80f;
    return level * sine(static_cast<std::uint32_t>(i) * ring_);
  }

  /// A low knock through the floor at any time of the stroke.
  float thump(std::int64_t i, const moment& m) const noexcept {
    const float start =
        0.02f +
        0.6f * static_cast<float>(scramble(noise_key_ + static_cast<std::uint64_t>(m.part)) >> 40) / 16'777'216.0f;
    if (m.phase < start) return 0;
    const float age = (m.phase - start) * 6.0f;
    const float level = age < 1.0f ? (1.0f - age) * (1.0f - age) : 0.0f;
    return 1.1f * level * sine(static_cast<std::uint32_t>(i) * thump_);
  }
  float stroke_samples() const noexcept {
    return static_cast<float>(vibration_rate) / static_cast<float>(std::max<std::int64_t>(clock_.fps, 60));
  }

  std::uint64_t seed_;
  line_clock clock_;
  part_mix mix_;
  process_profile profile_;
  std::uint64_t noise_key_;
  std::uint32_t rev_ = 0, narrow_[4] = {}, chatter_ = 0, ring_ = 0, slip_ = 0, thump_ = 0;
  part_truth planned_{};
  bool have_plan_ = false;
};

}  // namespace dsmm::inline DSMM_ABI::line
