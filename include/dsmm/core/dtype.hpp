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
  // Of general operators only:
  f64 = 6,
  f16 = 7,   ///< IEEE half
  bf16 = 8,  ///< the upper half of an f32
  s64 = 9,
  s16 = 10,
  u16 = 11,
  u32 = 12,
  u64 = 13,
  b8 = 14,          ///< a truth value: 0 is false, all else true; operators write 0 and 1
  f8e4m3fn = 15,    ///< 1-4-3 bits, bias 7, no infinity, NaN 0x7F
  f8e4m3fnuz = 16,  ///< 1-4-3 bits, bias 8, no infinity, no -0, NaN 0x80
  f8e5m2 = 17,      ///< 1-5-2 bits, bias 15, infinity and NaN as IEEE
  f8e5m2fnuz = 18,  ///< 1-5-2 bits, bias 16, no infinity, no -0, NaN 0x80
  u4 = 19,          ///< 0..15, one to a byte
  s4 = 20,          ///< -8..7, one to a byte
};

inline constexpr std::uint8_t dtype_count = 20;

/// Bytes of one element; 0 for i4s, whose bytes depend on its rows (i4s_bytes in core/quant.hpp).
constexpr std::size_t size_of(dtype type) noexcept {
  switch (type) {
    case dtype::f64:
    case dtype::s64:
    case dtype::u64: return 8;
    case dtype::s32:
    case dtype::u32:
    case dtype::f32: return 4;
    case dtype::f16:
    case dtype::bf16:
    case dtype::s16:
    case dtype::u16: return 2;
    case dtype::u8:
    case dtype::s8:
    case dtype::b8:
    case dtype::f8e4m3fn:
    case dtype::f8e4m3fnuz:
    case dtype::f8e5m2:
    case dtype::f8e5m2fnuz:
    case dtype::u4:
    case dtype::s4: return 1;
    case dtype::i4s: return 0;
  }
  return 0;
}

constexpr bool is_dtype(std::uint8_t value) noexcept { return value >= 1 && value <= dtype_count; }

/// Floats narrower than f32: general operators compute on them in f32 and round once.
constexpr bool is_narrow_float(dtype type) noexcept {
  return type == dtype::f16 || type == dtype::bf16 || (type >= dtype::f8e4m3fn && type <= dtype::f8e5m2fnuz);
}
constexpr bool is_float(dtype type) noexcept {
  return type == dtype::f32 || type == dtype::f64 || is_narrow_float(type);
}
constexpr bool is_signed_integer(dtype type) noexcept {
  return type == dtype::s8 || type == dtype::s16 || type == dtype::s32 || type == dtype::s64 || type == dtype::s4;
}
constexpr bool is_unsigned_integer(dtype type) noexcept {
  return type == dtype::u8 || type == dtype::u16 || type == dtype::u32 || type == dtype::u64 || type == dtype::u4;
}
constexpr bool is_integer(dtype type) noexcept { return is_signed_integer(type) || is_unsigned_integer(type); }

constexpr const char* to_string(dtype type) noexcept {
  switch (type) {
    case dtype::u8: return "u8";
    case dtype::s8: return "s8";
    case dtype::s32: return "s32";
    case dtype::f32: return "f32";
    case dtype::i4s: return "i4s";
    case dtype::f64: return "f64";
    case dtype::f16: return "f16";
    case dtype::bf16: return "bf16";
    case dtype::s64: return "s64";
    case dtype::s16: return "s16";
    case dtype::u16: return "u16";
    case dtype::u32: return "u32";
    case dtype::u64: return "u64";
    case dtype::b8: return "b8";
    case dtype::f8e4m3fn: return "f8e4m3fn";
    case dtype::f8e4m3fnuz: return "f8e4m3fnuz";
    case dtype::f8e5m2: return "f8e5m2";
    case dtype::f8e5m2fnuz: return "f8e5m2fnuz";
    case dtype::u4: return "u4";
    case dtype::s4: return "s4";
  }
  return "?";
}

}  // namespace dsmm::inline DSMM_ABI
