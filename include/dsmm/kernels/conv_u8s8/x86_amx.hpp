// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx512_store.hpp"
#include "dsmm/kernels/conv_u8s8/block_pack.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/conv_u8s8/x86_avx512vnni.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// A tile register holds up to 16 rows of 64 bytes; tdpbusd multiplies 16 pixels x 64 inputs by 64 inputs x 16 channels
/// in 16 cycles, eight times what two vpdpbusd zmm do. Pixels of a run are the rows, at the distance that neighbours
/// have in the image, so nothing is copied. Layers whose inputs lie in short pieces, and pruned ones of which few whole
/// blocks are left over, run on vpdpbusd.
struct x86_amx {
  static constexpr isa required = isa::x86_amx;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return std::max(block_pack::pack_bytes(g), x86_avx512vnni::pack_bytes(g, group));
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const block_pack::work w = block_pack::count(from, p);
    if (w.blocks * quads_worth_a_block <= w.quads) return block_pack::pack(from, memory, p);
    p.kernel = &conv_kernel_of<x86_avx512vnni>;
    x86_avx512vnni::pack(from, memory, p);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  /// A block costs a pixel two cycles for 32 channels, and what loads add; a quad one.
  static constexpr std::int64_t quads_worth_a_block = 3;

  /// What ldtilecfg reads (Intel SDM, table 3-1 of volume 1, chapter 18).
  struct alignas(64) tile_config {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  };

  /// Sums are tiles 0 to 3, inputs 4 and 5, weights 6 and 7.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void configure(std::int32_t pixels, std::int32_t quads) noexcept {
    tile_config c;
    for (std::size_t i = 0; i < 8; ++i) {
      c.row_bytes[i] = static_cast<std::uint16_t>(i == 4 || i == 5 ? quads * 4 : 64);
      c.rows[i] = static_cast<std::uint8_t>(i < 6 ? pixels : quads);
    }
    asm volatile("" : : "r"(&c) : "memory");  // g++ 12 believes that ldtilecfg reads eight bytes
    _tile_loadconfig(&c);
  }

  /// What all tiles of some channels of a panel share.
  struct task {
    const conv_packed* packed;
    const conv_panel* panel;
    quad_range blocks;
    std::int32_t pixels;    ///< of a run
    std::int32_t register_; ///< the first 16 channels of the panel that are wanted
    std::ptrdiff_t x_step;
    avx512_output out;
  };

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, 16);
    if (grid.lines <= 0 || grid.length <= 0) return;
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    const std::int32_t runs = (grid.length + 15) / 16;
    task t;
    t.packed = &p;
    t.pixels = (grid.length + runs - 1) / runs;
    t.x_step = grid.x_step;
    t.out.y_step = grid.y_step;
    t.out.epilogue = &e;
    configure(t.pixels, p.panels[0].block);
    for (std::int32_t i = 0; i < p.panel_count; ++i) {
      t.panel = &p.panels[i];
      const std::int32_t registers = t.panel->channels / 16;
      // Weights serve four short runs at a time, or loading them would take longer than the products.
      const std::int32_t together = registers == 2 && (t.pixels > 8 || grid.lines * runs == 1) ? 2 : 1;
      for (t.register_ = 0; t.register_ < registers; t.register_ += together) {
        t.out.set_panel(t.panel->channel + t.register_ * 16, together, stored, sizeof(T) == 1);
        together == 2 ? tiles<2, 2>(t, grid) : tiles<4, 1>(t, grid);
      }
    }
    _tile_release();
  }

  /// All outputs of some channels. The last run of a line starts early rather than being short: equal bits twice.
  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void tiles(task& t, const pixel_grid<T>& grid) noexcept {
    pixel_run<T> runs[Runs];
    std::int32_t held = 0;
    t.blocks = {0, t.panel->quads};
    for (std::int32_t line = 0; line < grid.lines; ++line) {
      if (grid.first_row >= 0) {
        const quad_range blocks = quads_of_row(*t.packed, *t.panel, grid.first_row + line);
        if (!(blocks == t.blocks)) {
          partial_tile<Registers>(t, runs, held);
          held = 0;
          t.blocks = blocks;
        }
      }
      const std::uint8_t* const x = grid.x + line * grid.x_line;
      T* const y = grid.y + line * grid.y_line + t.out.channel;
      for (std::int32_t i = 0; i < grid.length; i += t.pixels) {
        const std::int32_t start = std::min(i, grid.length - t.pixels);
        runs[held++] = {x + start * grid.x_step, y + start * grid.y_step};
        if (held < Runs) continue;
        tile<Runs, Registers>(t, runs);
        held = 0;
      }
    }
    partial_tile<Registers>(t, runs, held);
  }

  template <std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void partial_tile(const task& t, const pixel_run<T>* runs, std::int32_t held) noexcept {
    if (held == 1) tile<1, Registers>(t, runs);
    if constexpr (Registers == 1) {
      if (held == 2) tile<2, Registers>(t, runs);
      if (held == 3) tile<3, Registers>(t, runs);
    }
  }

  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void tile(const task& t, const pixel_run<T>* runs) noexcept {
    alignas(64) std::int32_t acc[Runs * 16 * Registers * 16];
    asm volatile("" : : : "memory");  // g++ 12 does not know that tileloadd reads memory
    sums<Runs, Registers>(t, runs, acc);
    for (std::int32_t i = 0; i < Runs; ++i)
      avx512_store_run<Registers>(t.out, runs[i], t.pixels, acc + i * 16 * Registers * 16);
  }

  /// acc (runs, 16, Registers * 16) = bias + products.
  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  __attribute__((always_inline)) static inline void sums(const task& t, const pixel_run<T>* runs,
                                                         std::int32_t* acc) noexcept {
    const std::int32_t* const bias = t.out.epilogue->bias + t.out.channel;
    const std::ptrdiff_t w_block = std::ptrdiff_t{t.panel->block} * 64, w_register = w_block * t.panel->quads;
    const std::int8_t* w = t.panel->weights + t.register_ * w_register + t.blocks.begin * w_block;
    const std::int32_t* const last = t.panel->offsets + t.blocks.end;
    _tile_loadd(0, bias, 0);
    if constexpr (Registers == 2) _tile_loadd(1, bias + 16, 0);
    if constexpr (Registers == 2 && Runs == 2) _tile_loadd(2, bias, 0);
    if constexpr (Registers == 2 && Runs == 2) _tile_loadd(3, bias + 16, 0);
    if constexpr (Registers == 1 && Runs > 1) _tile_loadd(1, bias, 0);
    if constexpr (Registers == 1 && Runs > 2) _tile_loadd(2, bias, 0);
    if constexpr (Registers == 1 && Runs > 3) _tile_loadd(3, bias, 0);
    for (const std::int32_t* at = t.panel->offsets + t.blocks.begin; at != last; ++at, w += w_block) {
      _tile_loadd(6, w, 64);
      if constexpr (Registers == 2) _tile_loadd(7, w + w_register, 64);
      _tile_loadd(4, runs[0].x + *at, t.x_step);
      _tile_dpbusd(0, 4, 6);
      if constexpr (Registers == 2) _tile_dpbusd(1, 4, 7);
      if constexpr (Runs > 1) _tile_loadd(5, runs[1].x + *at, t.x_step);
      if constexpr (Runs > 1 && Registers == 1) _tile_dpbusd(1, 5, 6);
      if constexpr (Runs > 1 && Registers == 2) _tile_dpbusd(2, 5, 6);
      if constexpr (Runs > 1 && Registers == 2) _tile_dpbusd(3, 5, 7);
      if constexpr (Runs > 2) _tile_loadd(4, runs[2].x + *at, t.x_step);
      if constexpr (Runs > 2) _tile_dpbusd(2, 4, 6);
      if constexpr (Runs > 3) _tile_loadd(5, runs[3].x + *at, t.x_step);
      if constexpr (Runs > 3) _tile_dpbusd(3, 5, 6);
    }
    constexpr std::ptrdiff_t row = Registers * 64, run = 16 * Registers * 16;
    _tile_stored(0, acc, row);
    if constexpr (Registers == 2) _tile_stored(1, acc + 16, row);
    if constexpr (Registers == 2 && Runs == 2) _tile_stored(2, acc + run, row);
    if constexpr (Registers == 2 && Runs == 2) _tile_stored(3, acc + run + 16, row);
    if constexpr (Registers == 1 && Runs > 1) _tile_stored(1, acc + run, row);
    if constexpr (Registers == 1 && Runs > 2) _tile_stored(2, acc + 2 * run, row);
    if constexpr (Registers == 1 && Runs > 3) _tile_stored(3, acc + 3 * run, row);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
