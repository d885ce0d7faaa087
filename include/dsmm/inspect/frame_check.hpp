// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/inspect/exposure_limits.hpp"
#include "dsmm/inspect/frame_view.hpp"

namespace dsmm::inline DSMM_ABI {

struct frame_health {
  std::uint64_t fingerprint = 0;  ///< over every byte of every row; equal pictures have equal ones
  std::uint8_t mean = 0, spread = 0;
};

namespace detail {

/// Four lanes of multiply-and-fold over 32 bytes a step; a camera's noise changes it, a frozen buffer does not.
inline std::uint64_t fingerprint_row(const std::uint8_t* row, std::size_t bytes, std::uint64_t seed) noexcept {
  constexpr std::uint64_t k = 0x9E37'79B9'7F4A'7C15u;
  std::array<std::uint64_t, 4> lane{seed, seed ^ k, seed + k, ~seed};
  std::size_t i = 0;
  for (; i + 32 <= bytes; i += 32)
    for (std::size_t j = 0; j < 4; ++j) {
      std::uint64_t v;
      std::memcpy(&v, row + i + 8 * j, 8);
      lane[j] = (lane[j] ^ v) * k;
      lane[j] ^= lane[j] >> 29;
    }
  for (; i < bytes; ++i) lane[0] = (lane[0] ^ row[i]) * k;
  return lane[0] ^ (lane[1] * 3) ^ (lane[2] * 5) ^ (lane[3] * 7);
}

}  // namespace detail

/// Looks at a picture before a model does: every byte for the fingerprint, each 8th pixel of each 8th row for the
/// light.
inline frame_health check_frame(const frame_view& frame) noexcept {
  const std::int32_t step = bytes_per_pixel(frame.format), middle = step == 1 ? 0 : 1;  // green stands for luma
  std::array<std::uint32_t, 256> histogram{};
  std::uint32_t count = 0;
  std::uint64_t sum = 0;
  frame_health h;
  for (std::int32_t y = 0; y < frame.height; ++y) {
    const std::uint8_t* row = frame.data + y * frame.stride;
    h.fingerprint = detail::fingerprint_row(row, static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(step),
                                            h.fingerprint + static_cast<std::uint64_t>(y));
    if (y % 8 != 0) continue;
    for (std::int32_t x = 0; x < frame.width; x += 8) {
      const std::uint8_t v = row[x * step + middle];
      ++histogram[v];
      ++count;
      sum += v;
    }
  }
  for (std::int32_t y = 0; frame.chroma != nullptr && y < (frame.height + 1) / 2; ++y)
    h.fingerprint = detail::fingerprint_row(frame.chroma + y * frame.chroma_stride,
                                            static_cast<std::size_t>((frame.width + 1) / 2) * 2, ~h.fingerprint);
  if (count == 0) return h;
  h.mean = static_cast<std::uint8_t>(sum / count);
  const auto quantile = [&](std::uint32_t below) {
    std::uint32_t seen = 0, level = 0;
    while (level < 255 && (seen += histogram[level]) <= below) ++level;
    return level;
  };
  h.spread = static_cast<std::uint8_t>(quantile(count - 1 - count / 50) - quantile(count / 50));
  return h;
}

constexpr bool well_exposed(const frame_health& h, const exposure_limits& limits) noexcept {
  return h.mean >= limits.darkest_mean && h.mean <= limits.brightest_mean && h.spread >= limits.least_spread;
}

}  // namespace dsmm::inline DSMM_ABI
