// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/requantize/arm_neon.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// usdot adds four products of u8 by s8 into each of 4 output channels. A tile is 4 pixels x 16 channels.
/// Weights: (panels of 16 channels, quads, 16, 4).
struct arm_i8mm {
  static constexpr isa required = isa::arm_i8mm;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<layout>::pack(from, memory, p);
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
  static constexpr std::int32_t run_pixels = 4;

  struct layout {
    static constexpr bool nibbles = false, sums = false;
    static constexpr std::int32_t max_width = 16;
    static constexpr std::int32_t width(std::int32_t) noexcept { return 16; }
    static constexpr std::size_t quad_bytes(std::size_t) noexcept { return 64; }
    static void put(const std::int8_t (*quad)[4], std::size_t, std::int8_t* out) noexcept {
      std::memcpy(out, quad, 64);
    }
  };

  template <class T>
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, run_pixels);
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      const conv_panel& panel = p.panels[n];
      const auto out = requantize_impl::neon_output::of(e, panel.channel, stored, sizeof(T) == 1);
      for (std::int32_t line = 0; line < grid.lines; ++line) {
        const std::uint8_t* const in = grid.x + line * grid.x_line;
        T* const to = grid.y + line * grid.y_line + panel.channel;
        std::int32_t i = 0;
        for (; i + run_pixels <= grid.length; i += run_pixels)
          tile<run_pixels>(panel, out, grid.x_step, grid.y_step, in + i * grid.x_step, to + i * grid.y_step);
        for (; i < grid.length; ++i)
          tile<1>(panel, out, grid.x_step, grid.y_step, in + i * grid.x_step, to + i * grid.y_step);
      }
    }
  }

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
