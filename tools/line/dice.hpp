// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// Bijective scrambling of 64 bits (the finalizer of splitmix64).
constexpr std::uint64_t scramble(std::uint64_t v) noexcept {
  v = (v ^ (v >> 30)) * 0xBF58'476D'1CE4'E5B9u;
  v = (v ^ (v >> 27)) * 0x94D0'49BB'1331'11EBu;
  return v ^ (v >> 31);
}

/// What a sequence of throws is for; every purpose of every part has its own sequence, so any part can be made alone.
enum class purpose : std::uint32_t {
  session,
  process,
  plan,
  pose,
  surface,
  marks,
  dust,
  defect,
  texture,
  noise,
  vibration,
  current,
  force,
  temperature
};

/// Integer random numbers keyed by (seed, index, purpose): the same on every machine, in any order of parts.
class dice {
public:
  constexpr dice(std::uint64_t seed, std::uint64_t index, purpose use) noexcept
      : state_(scramble(seed ^ scramble(index * 0x9E37'79B9'7F4A'7C15u + static_cast<std::uint64_t>(use)))) {}

  constexpr std::uint64_t next() noexcept { return scramble(state_ += 0x9E37'79B9'7F4A'7C15u); }

  /// Uniform in [low, high].
  constexpr int between(int low, int high) noexcept {
    const auto span = static_cast<std::uint64_t>(high - low) + 1;
    return low + static_cast<int>(((next() >> 32) * span) >> 32);
  }

  /// Uniform in [low, high), in 2^24 steps.
  constexpr float real(float low, float high) noexcept {
    const float unit = static_cast<float>(next() >> 40) * (1.0f / 16'777'216.0f);
    const float span = high - low;
    const float offset = span * unit;
    return low + offset;
  }

  constexpr bool chance(int per_mille) noexcept { return between(0, 999) < per_mille; }

private:
  std::uint64_t state_;
};

/// Bell-shaped noise of mean 0 and variance 1 for one key: four 16-bit uniforms added.
constexpr float bell(std::uint64_t key) noexcept {
  const std::uint64_t v = scramble(key * 0x9E37'79B9'7F4A'7C15u + 0x1234'5678'9ABC'DEF1u);
  const auto sum = static_cast<std::int32_t>((v & 0xFFFF) + ((v >> 16) & 0xFFFF) + ((v >> 32) & 0xFFFF) + (v >> 48));
  return static_cast<float>(sum - 131'070) * (1.0f / 37'837.0f);
}

}  // namespace dsmm::inline DSMM_ABI::line
