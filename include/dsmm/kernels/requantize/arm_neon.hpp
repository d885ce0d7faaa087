// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/requantize/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::requantize_impl {

/// The constants of 16 channels.
struct factors_neon {
  int32x4_t multiplier[4];
  int64x2_t shift[8];  ///< minus the shift: a rounding shift left by a negative number is one to the right

  /// At e.multiplier + channel and e.shift + channel.
  static factors_neon of(const conv_epilogue& e, std::int32_t channel) noexcept {
    factors_neon f;
    for (std::int32_t r = 0; r < 4; ++r) {
      f.multiplier[r] = vld1q_s32(e.multiplier + channel + r * 4);
      const int32x4_t right = vnegq_s32(vld1q_s32(e.shift + channel + r * 4));
      f.shift[2 * r] = vmovl_s32(vget_low_s32(right));
      f.shift[2 * r + 1] = vmovl_high_s32(right);
    }
    return f;
  }
};

/// Four channels in a register. srshl adds 2^(shift - 1) without losing a carry, which is the one rounding rule; Arm's
/// sqrdmulh would round twice.
struct arm_neon {
  static constexpr isa required = isa::arm_neon;

  /// requantize() of sums (16), bias included, as u8.
  static uint8x16_t scale(const int32x4_t* sums, const factors_neon& f, const conv_epilogue& e) noexcept {
    int16x4_t pairs[4];
    for (std::int32_t r = 0; r < 4; ++r) {
      const int64x2_t low = vmull_s32(vget_low_s32(sums[r]), vget_low_s32(f.multiplier[r]));
      const int64x2_t high = vmull_high_s32(sums[r], f.multiplier[r]);
      const int32x4_t scaled =
          vmovn_high_s64(vmovn_s64(vrshlq_s64(low, f.shift[2 * r])), vrshlq_s64(high, f.shift[2 * r + 1]));
      pairs[r] = vqmovn_s32(vqaddq_s32(scaled, vdupq_n_s32(e.zero_point)));
    }
    const uint8x8_t low = vqmovun_s16(vcombine_s16(pairs[0], pairs[1]));
    const uint8x8_t high = vqmovun_s16(vcombine_s16(pairs[2], pairs[3]));
    return vminq_u8(vmaxq_u8(vcombine_u8(low, high), vdupq_n_u8(static_cast<std::uint8_t>(e.low))),
                    vdupq_n_u8(static_cast<std::uint8_t>(e.high)));
  }

  static void run(const std::int32_t* acc, std::size_t channels, const conv_epilogue& e, std::uint8_t* out) noexcept {
    for (std::size_t o = 0; o < channels; o += 16) {
      const std::size_t n = channels - o < 16 ? channels - o : 16;
      std::int32_t some[16] = {};
      std::memcpy(some, acc + o, n * sizeof *some);
      int32x4_t sums[4];
      for (std::size_t r = 0; r < 4; ++r) sums[r] = vaddq_s32(vld1q_s32(some + r * 4), vld1q_s32(e.bias + o + r * 4));
      std::uint8_t bytes[16];
      vst1q_u8(bytes, scale(sums, factors_neon::of(e, static_cast<std::int32_t>(o)), e));
      std::memcpy(out + o, bytes, n);
    }
  }
};

/// Where the sums of a panel of 16 channels go.
struct neon_output {
  const conv_epilogue* epilogue;
  std::int32_t channel;  ///< the first one
  std::size_t valid;     ///< channels to store, padding included
  factors_neon factors;  ///< u8 only
  int32x4_t bias[4];

  /// stored: all channels of an output, padding included.
  static neon_output of(const conv_epilogue& e, std::int32_t channel, std::int32_t stored, bool to_u8) noexcept {
    neon_output o;
    o.epilogue = &e;
    o.channel = channel;
    o.valid = static_cast<std::size_t>(stored - channel < 16 ? stored - channel : 16);
    if (to_u8) o.factors = factors_neon::of(e, channel);
    for (std::int32_t r = 0; r < 4; ++r) o.bias[r] = vld1q_s32(e.bias + channel + r * 4);
    return o;
  }

  /// sums  (16), bias included.
  void store(std::uint8_t* y, const int32x4_t* sums) const noexcept {
    const uint8x16_t bytes = arm_neon::scale(sums, factors, *epilogue);
    if (valid == 16) return vst1q_u8(y, bytes);
    std::uint8_t some[16];
    vst1q_u8(some, bytes);
    std::memcpy(y, some, valid);
  }

  void store(float* y, const int32x4_t* sums) const noexcept {
    float v[16];
    for (std::int32_t r = 0; r < 4; ++r) {
      if (epilogue->sums) {
        vst1q_f32(v + r * 4, vreinterpretq_f32_s32(sums[r]));
        continue;
      }
      float32x4_t f = vmulq_f32(vcvtq_f32_s32(sums[r]), vld1q_f32(epilogue->factor + channel + r * 4));
      if (epilogue->relu) f = vmaxnmq_f32(f, vdupq_n_f32(0.0f));
      vst1q_f32(v + r * 4, f);
    }
    std::memcpy(y, v, valid * sizeof *v);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::requantize_impl
