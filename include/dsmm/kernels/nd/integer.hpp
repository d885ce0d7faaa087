// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// What products of 8-bit integers with zero points share: matmul_integer.hpp and conv_integer.hpp.
///
/// The kernels multiply u8 by s8. An s8 input moves up by 128 and a u8 weight down by 128, each with its zero point, so
/// that with x, w, zx, zw after the move
///   sum of (x - zx)(w - zw) = sum of x w  -  zx * sum of w  -  zw * (sum of x - depth * zx).
/// All of it is modulo 2^32 and the sum itself fits s32, so it is exact whatever the zero points are.
namespace dsmm::inline DSMM_ABI::kernels::nd::integer_impl {

inline std::int32_t load(const view& x, std::int64_t i) noexcept {
  return x.type == dtype::s8 ? x.as<const std::int8_t>()[i] : x.as<const std::uint8_t>()[i];
}
/// A zero point of one element, or of one for each index.
inline std::int32_t zero_at(const view& zero, std::int64_t i) noexcept {
  return zero ? load(zero, zero.count() == 1 ? 0 : i) : 0;
}

/// The zero point of u8 inputs after the move.
inline std::int32_t moved_input_zero(const view& x, const view& zero) noexcept {
  return zero_at(zero, 0) + (x.type == dtype::s8 ? 128 : 0);
}
/// The zero point of s8 weights of channel i after the move.
inline std::int32_t moved_weight_zero(const view& w, const view& zero, std::int64_t i) noexcept {
  return zero_at(zero, i) - (w.type == dtype::u8 ? 128 : 0);
}
inline std::int8_t moved_weight(const view& w, std::int64_t i) noexcept {
  return static_cast<std::int8_t>(load(w, i) - (w.type == dtype::u8 ? 128 : 0));
}

/// Bytes of one array of n words, and where such arrays may start: kernels read up to a multiple of 16.
constexpr std::size_t word_bytes(std::int64_t n) noexcept {
  return round_up(static_cast<std::size_t>(n) * sizeof(std::int32_t), 64);
}

/// a * b modulo 2^32.
constexpr std::int32_t wrapping_product(std::int32_t a, std::int32_t b) noexcept {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b));
}

/// x or, as u8, s8 moved up by 128.
inline void move_up(const std::byte* x, bool is_signed, std::uint8_t* y, std::int64_t n) noexcept {
  if (!is_signed) {
    std::memcpy(y, x, static_cast<std::size_t>(n));
    return;
  }
  with_avx2([ x, y, n ]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(x[i]) ^ 0x80u);
  });
}

/// n words of s32 at y: y[j] -= zeros[j] * sum.
inline void take_off(std::byte* y, const std::int32_t* zeros, std::int32_t sum, std::int64_t n) noexcept {
  with_avx2([ y, zeros, sum, n ]() __attribute__((always_inline)) {
    for (std::int64_t j = 0; j < n; ++j) {
      std::uint32_t v;
      std::memcpy(&v, y + j * 4, sizeof v);
      v -= static_cast<std::uint32_t>(zeros[j]) * static_cast<std::uint32_t>(sum);
      std::memcpy(y + j * 4, &v, sizeof v);
    }
  });
}

/// n words at y from s32 to f32: float(y[j]) * scale[j] + bias[j], each rounded by itself as by the ops that it
/// replaces. bias may be null.
inline void to_real(std::byte* y, const float* scale, const float* bias, std::int64_t n) noexcept {
  with_avx2([ y, scale, n ]() __attribute__((always_inline)) {
    for (std::int64_t j = 0; j < n; ++j) {
      std::int32_t v;
      std::memcpy(&v, y + j * 4, sizeof v);
      const float real = static_cast<float>(v) * scale[j];
      std::memcpy(y + j * 4, &real, sizeof real);
    }
  });
  if (bias == nullptr) return;
  with_avx2([ y, bias, n ]() __attribute__((always_inline)) {
    for (std::int64_t j = 0; j < n; ++j) {
      float v;
      std::memcpy(&v, y + j * 4, sizeof v);
      v += bias[j];
      std::memcpy(y + j * 4, &v, sizeof v);
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::integer_impl
