// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// What happens to an accumulator: u8 = clamp(zero_point + requantize(acc + bias[o], multiplier[o] * 2^-shift[o])),
/// low <= . <= high; or f32 = float(acc + bias[o]) * factor[o], negatives cut to 0 if relu.
/// Arrays of channels, readable to the next multiple of 16, zeros behind the last; of a pair only the one that is
/// needed must be there. multiplier in [2^30, 2^31) (0 behind the last), shift 31 .. 62; 0 <= low <= high <= 255.
struct conv_epilogue {
  const std::int32_t* bias = nullptr;
  const std::int32_t* multiplier = nullptr;
  const std::int32_t* shift = nullptr;
  const float* factor = nullptr;
  std::int32_t zero_point = 0, low = 0, high = 255;
  bool relu = false;              ///< f32 only; u8 has low = zero_point instead
  std::int32_t pad_channels = 0;  ///< u8 only: channels behind the last to write with zero_point, 0 .. 3
  /// u8 only, a promise: fits_float() of every channel and every sum that can occur. Variants may then multiply in f32,
  /// where it gives the same bits in half the instructions.
  bool by_float = false;
  /// f32 only: y gets the 32 bits of acc + bias as they are, an s32; factor and relu are not read.
  bool sums = false;
};

/// Whether sums in [low, high], bias included, times `factor` are exact up to one rounding in f32: the sum and the
/// multiplier have at most 24 bits, and twice the product and a zero point fits s16.
constexpr bool fits_float(std::int64_t low, std::int64_t high, fixed_point factor) noexcept {
  const std::int64_t most = high > -low ? high : -low;
  return most <= 1 << 24 && factor.multiplier % 128 == 0 && factor.shift >= 33 &&
         (most * factor.multiplier >> factor.shift) < 16'000;
}

namespace requantize_impl {

/// out[o] = the u8 of acc[o], o < channels.
struct generic {
  static constexpr isa required = isa::generic;

  static void run(const std::int32_t* acc, std::size_t channels, const conv_epilogue& e, std::uint8_t* out) noexcept {
    for (std::size_t o = 0; o < channels; ++o) out[o] = one(acc[o], o, e);
  }

  /// The value of channel o. acc + bias wraps as a vector register does; a verified model never gets there.
  static std::uint8_t one(std::int32_t acc, std::size_t o, const conv_epilogue& e) noexcept {
    const auto sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(acc) + static_cast<std::uint32_t>(e.bias[o]));
    return clamp_u8(std::int64_t{e.zero_point} + requantize(sum, {e.multiplier[o], e.shift[o]}), e.low, e.high);
  }

  /// The f32 value of channel o, or the bits of its sum.
  static float one_f32(std::int32_t acc, std::size_t o, const conv_epilogue& e) noexcept {
    const auto sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(acc) + static_cast<std::uint32_t>(e.bias[o]));
    if (e.sums) return std::bit_cast<float>(sum);
    const float v = static_cast<float>(sum) * e.factor[o];
    return e.relu && !(v > 0.0f) ? 0.0f : v;
  }
};

}  // namespace requantize_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
