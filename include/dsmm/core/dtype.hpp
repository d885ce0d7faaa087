// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Element types. The values are part of the .dsmm format.
enum class dtype : std::uint8_t {
  u8 = 1,   ///< activations: real = scale * (q - zero_point)
  s8 = 2,   ///< 8-bit weights: real = scale[channel] * q
  s32 = 3,  ///< biases, accumulators, tables
  f32 = 4,
  i4s = 5,  ///< 4-bit weights with an integer group scale ("I4S"), see docs/format.md
};

/// Bytes of one element; 0 for i4s, whose bytes depend on its rows (i4s_bytes in core/quant.hpp).
constexpr std::size_t size_of(dtype type) noexcept {
  switch (type) {
    case dtype::u8:
    case dtype::s8: return 1;
    case dtype::s32:
    case dtype::f32: return 4;
    case dtype::i4s: return 0;
  }
  return 0;
}

constexpr bool is_dtype(std::uint8_t value) noexcept { return value >= 1 && value <= 5; }

constexpr const char* to_string(dtype type) noexcept {
  switch (type) {
    case dtype::u8: return "u8";
    case dtype::s8: return "s8";
    case dtype::s32: return "s32";
    case dtype::f32: return "f32";
    case dtype::i4s: return "i4s";
  }
  return "?";
}

}  // namespace dsmm::inline DSMM_ABI
