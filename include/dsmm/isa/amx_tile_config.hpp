// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// What ldtilecfg reads (Intel SDM, volume 1, chapter 18). What g++ 12 is told about tile instructions falls short:
/// that ldtilecfg reads eight bytes, and of tileloadd nothing about memory. Where memory was written just before, a
/// barrier stands in front of them.
struct alignas(64) amx_tile_config {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  /// Sums in tiles 0 to 3, the left operand (rows, quads, 4) in 4 and 5, the right one (quads, 16, 4) in 6 and 7.
  static amx_tile_config of(std::int32_t rows, std::int32_t quads) noexcept {
    amx_tile_config c;
    for (std::size_t i = 0; i < 8; ++i) {
      c.row_bytes[i] = static_cast<std::uint16_t>(i == 4 || i == 5 ? quads * 4 : 64);
      c.rows[i] = static_cast<std::uint8_t>(i < 6 ? rows : quads);
    }
    return c;
  }

  DSMM_TARGET("amx-tile")
  void load() const noexcept {
    asm volatile("" : : "r"(this) : "memory");
    _tile_loadconfig(this);
  }
};

}  // namespace dsmm::inline DSMM_ABI
