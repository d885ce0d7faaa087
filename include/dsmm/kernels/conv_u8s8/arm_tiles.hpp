// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/requantize/arm_neon.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// What the variants for Arm share: panels of 16 channels, and lines of pixels in tiles of 4 and then of 1. A Variant
/// has
///   layout                                             the layout of its weights
///   tile<Pixels>(panel, out, x_step, y_step, x, y)     outputs of 4 or 1 neighbours
template <class Variant>
struct arm_tiles {
  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<typename Variant::layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<typename Variant::layout>::pack(from, memory, p);
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
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, 4);
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      const conv_panel& panel = p.panels[n];
      const auto out = requantize_impl::neon_output::of(e, panel.channel, stored, sizeof(T) == 1);
      for (std::int32_t line = 0; line < grid.lines; ++line) {
        const std::uint8_t* const in = grid.x + line * grid.x_line;
        T* const to = grid.y + line * grid.y_line + panel.channel;
        std::int32_t i = 0;
        for (; i + 4 <= grid.length; i += 4)
          Variant::template tile<4>(panel, out, grid.x_step, grid.y_step, in + i * grid.x_step, to + i * grid.y_step);
        for (; i < grid.length; ++i)
          Variant::template tile<1>(panel, out, grid.x_step, grid.y_step, in + i * grid.x_step, to + i * grid.y_step);
      }
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
