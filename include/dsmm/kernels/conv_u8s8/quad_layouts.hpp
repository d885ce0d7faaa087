// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"

/// How several variants lay out the weights of a quad; what a Layout is says panel_pack.hpp.
namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// (Width, 4) bytes. Sums: whether the kernel wants the sums of the weights.
template <std::int32_t Width, bool Sums = false>
struct quads_of_bytes {
  static constexpr bool nibbles = false, sums = Sums;
  static constexpr std::int32_t max_width = Width;
  static constexpr std::int32_t width(std::int32_t) noexcept { return Width; }
  static constexpr std::size_t quad_bytes(std::size_t) noexcept { return Width * 4; }
  static void put(const std::int8_t (*quad)[4], std::size_t, std::int8_t* out) noexcept {
    std::memcpy(out, quad, Width * 4);
  }
};

/// (Width, 4) words, for multiplications of s16.
template <std::int32_t Width>
struct quads_of_words {
  static constexpr bool nibbles = false, sums = false;
  static constexpr std::int32_t max_width = Width;
  static constexpr std::int32_t width(std::int32_t) noexcept { return Width; }
  static constexpr std::size_t quad_bytes(std::size_t) noexcept { return Width * 8; }
  static void put(const std::int8_t (*quad)[4], std::size_t channels, std::int8_t* out) noexcept {
    for (std::size_t o = 0; o < channels; ++o)
      for (std::size_t i = 0; i < 4; ++i) {
        const std::int16_t word = quad[o][i];
        std::memcpy(out + (o * 4 + i) * 2, &word, 2);
      }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
