// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/arm_tiles.hpp"
#include "dsmm/kernels/requantize/arm_neon.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// smlal of s16 by a lane: a register holds 4 output channels, a tile is 4 pixels x 16 channels. The 16 accumulators, 8
/// weights and 2 inputs fit the 32 registers. Weights: (panels of 16 channels, quads, 4 inputs, 16).
struct arm_neon : arm_tiles<arm_neon> {
  static constexpr isa required = isa::arm_neon;

  struct layout {
    static constexpr bool nibbles = false, sums = false;
    static constexpr std::int32_t max_width = 16;
    static constexpr std::int32_t width(std::int32_t) noexcept { return 16; }
    static constexpr std::size_t quad_bytes(std::size_t) noexcept { return 64; }
    static void put(const std::int8_t (*quad)[4], std::size_t channels, std::int8_t* out) noexcept {
      for (std::size_t o = 0; o < channels; ++o)
        for (std::size_t i = 0; i < 4; ++i) out[i * 16 + o] = quad[o][i];
    }
  };

  template <std::int32_t Pixels, class T>
  static void tile(const conv_panel& p, const requantize_impl::neon_output& out, std::ptrdiff_t x_step,
                   std::ptrdiff_t y_step, const std::uint8_t* x, T* y) noexcept {
    int32x4_t acc[Pixels][4];
    for (std::int32_t i = 0; i < Pixels; ++i)
      for (std::int32_t r = 0; r < 4; ++r) acc[i][r] = out.bias[r];
    const std::int8_t* w = p.weights;
    for (std::int32_t q = 0; q < p.quads; ++q, w += 64) {
      int16x4_t a[Pixels];
      for (std::int32_t i = 0; i < Pixels; ++i) a[i] = quad(x + p.offsets[q] + i * x_step);
      add_products<0, Pixels>(acc, a, w);
      add_products<1, Pixels>(acc, a, w);
      add_products<2, Pixels>(acc, a, w);
      add_products<3, Pixels>(acc, a, w);
    }
    for (std::int32_t i = 0; i < Pixels; ++i) out.store(y + i * y_step, acc[i]);
  }

private:
  /// Input `I` of the four.
  template <std::int32_t I, std::int32_t Pixels>
  [[gnu::always_inline]] static inline void add_products(int32x4_t (*acc)[4], const int16x4_t* a,
                                                         const std::int8_t* w) noexcept {
    const int8x16_t bytes = vld1q_s8(w + I * 16);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
    for (std::int32_t i = 0; i < Pixels; ++i) {
      acc[i][0] = vmlal_lane_s16(acc[i][0], vget_low_s16(low), a[i], I);
      acc[i][1] = vmlal_high_lane_s16(acc[i][1], low, a[i], I);
      acc[i][2] = vmlal_lane_s16(acc[i][2], vget_low_s16(high), a[i], I);
      acc[i][3] = vmlal_high_lane_s16(acc[i][3], high, a[i], I);
    }
  }

  /// Four input channels as s16.
  [[gnu::always_inline]] static inline int16x4_t quad(const std::uint8_t* x) noexcept {
    std::uint32_t v;
    std::memcpy(&v, x, sizeof v);
    return vreinterpret_s16_u16(vget_low_u16(vmovl_u8(vcreate_u8(v))));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
