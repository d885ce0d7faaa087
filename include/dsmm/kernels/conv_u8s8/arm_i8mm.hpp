// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/arm_tiles.hpp"
#include "dsmm/kernels/conv_u8s8/quad_layouts.hpp"
#include "dsmm/kernels/requantize/arm_neon.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// usdot adds four products of u8 by s8 into each of 4 output channels. A tile is 4 pixels x 16 channels.
/// Weights: (panels of 16 channels, quads, 16, 4).
struct arm_i8mm : arm_tiles<arm_i8mm> {
  static constexpr isa required = isa::arm_i8mm;

  using layout = quads_of_bytes<16>;

  template <std::int32_t Pixels, class T>
  DSMM_TARGET("arch=armv8.2-a+dotprod+i8mm")
  static void tile(const conv_panel& p, const requantize_impl::neon_output& out, std::ptrdiff_t x_step,
                   std::ptrdiff_t y_step, const std::uint8_t* x, T* y) noexcept {
    int32x4_t acc[Pixels][4];
    for (std::int32_t i = 0; i < Pixels; ++i)
      for (std::int32_t r = 0; r < 4; ++r) acc[i][r] = out.bias[r];
    const std::int8_t* w = p.weights;
    for (std::int32_t q = 0; q < p.quads; ++q, w += 64) {
      const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16), w2 = vld1q_s8(w + 32), w3 = vld1q_s8(w + 48);
      for (std::int32_t i = 0; i < Pixels; ++i) {
        std::uint32_t v;
        std::memcpy(&v, x + p.offsets[q] + i * x_step, sizeof v);
        const uint8x16_t a = vreinterpretq_u8_u32(vdupq_n_u32(v));
        acc[i][0] = vusdotq_s32(acc[i][0], a, w0);
        acc[i][1] = vusdotq_s32(acc[i][1], a, w1);
        acc[i][2] = vusdotq_s32(acc[i][2], a, w2);
        acc[i][3] = vusdotq_s32(acc[i][3], a, w3);
      }
    }
    for (std::int32_t i = 0; i < Pixels; ++i) out.store(y + i * y_step, acc[i]);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
