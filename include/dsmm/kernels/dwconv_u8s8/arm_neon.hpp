// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"
#include "dsmm/kernels/requantize/arm_neon.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// smlal of 16 channels of a tap, widened to s16. Weights: (panels of 16 channels, taps, 16) as s16.
struct arm_neon {
  static constexpr isa required = isa::arm_neon;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return packed_channels(g) * static_cast<std::size_t>(g.kernel_h * g.kernel_w) * sizeof(std::int16_t);
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    const std::ptrdiff_t taps = std::ptrdiff_t{g.kernel_h} * g.kernel_w;
    auto* const words = reinterpret_cast<std::int16_t*>(memory);
    p.weights = reinterpret_cast<const std::int8_t*>(memory);
    std::memset(memory, 0, pack_bytes(g, 0));
    for (std::ptrdiff_t c = 0; c < g.out_channels; ++c)
      for (std::ptrdiff_t t = 0; t < taps; ++t) words[(c / 16 * taps + t) * 16 + c % 16] = from.w8[c * taps + t];
  }

  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  template <class T>
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const conv_geometry& g = p.geometry;
    const std::int32_t taps = g.kernel_h * g.kernel_w;
    const auto* w = reinterpret_cast<const std::int16_t*>(p.weights);
    for (std::int32_t c = 0; c < g.out_channels; c += 16, w += std::ptrdiff_t{taps} * 16) {
      const std::int32_t rest = g.out_channels - c;
      const std::size_t readable = static_cast<std::size_t>(rest < 16 ? rest : 16);
      const std::int32_t stored = g.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
      const auto out = requantize_impl::neon_output::of(e, c, stored, sizeof(T) == 1);
      for (std::int32_t oy = y_begin; oy < y_end; ++oy)
        for (std::int32_t ox = 0; ox < y.shape.w; ++ox) {
          const std::uint8_t* const in = x.at(std::ptrdiff_t{oy} * g.stride_h, std::ptrdiff_t{ox} * g.stride_w) + c;
          int32x4_t acc[4] = {out.bias[0], out.bias[1], out.bias[2], out.bias[3]};
          for (std::int32_t t = 0; t < taps; ++t) add_tap(acc, channels(in + p.offsets[t], readable), w + t * 16);
          out.store(y.at(oy, ox) + c, acc);
        }
    }
  }

  [[gnu::always_inline]] static inline void add_tap(int32x4_t* acc, uint8x16_t a, const std::int16_t* w) noexcept {
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(a));
    const int16x8_t w0 = vld1q_s16(w), w1 = vld1q_s16(w + 8);
    acc[0] = vmlal_s16(acc[0], vget_low_s16(low), vget_low_s16(w0));
    acc[1] = vmlal_high_s16(acc[1], low, w0);
    acc[2] = vmlal_s16(acc[2], vget_low_s16(high), vget_low_s16(w1));
    acc[3] = vmlal_high_s16(acc[3], high, w1);
  }

  /// 16 channels of a tap, 0 for those of fours that are not there. A copy of a number of bytes that is no constant
  /// would take longer than the multiplications.
  static uint8x16_t channels(const std::uint8_t* x, std::size_t readable) noexcept {
    if (readable == 16) return vld1q_u8(x);
    uint32x4_t some = vdupq_n_u32(word(x));
    some = vsetq_lane_u32(readable > 4 ? word(x + 4) : 0, some, 1);
    some = vsetq_lane_u32(readable > 8 ? word(x + 8) : 0, some, 2);
    return vreinterpretq_u8_u32(vsetq_lane_u32(readable > 12 ? word(x + 12) : 0, some, 3));
  }
  static std::uint32_t word(const std::uint8_t* x) noexcept {
    std::uint32_t v;
    std::memcpy(&v, x, sizeof v);
    return v;
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
