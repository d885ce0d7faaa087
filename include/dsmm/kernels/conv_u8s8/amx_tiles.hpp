// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/amx_tile_config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx512_store.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// A tile register holds up to 16 rows of 64 bytes; tdpbusd multiplies 16 pixels x 64 inputs by 64 inputs x 16 channels
/// in 16 cycles, eight times what two vpdpbusd zmm do. Pixels of a run are the rows, at the distance that neighbours
/// have in the image, so nothing is copied. Four tiles of sums are 2 runs x 32 channels, or 4 x 16 where that reads the
/// weights fewer times. A row costs little less than 16, so short lines are joined: a run then also covers the halo
/// between two lines, and what comes out there is not stored. `Weights`, packed by block_pack, says
///   block_bytes(quads)            bytes of a block of 16 channels
///   load(w, quads, memory)        where its (quads, 16, 4) s8 are; memory  1 KB to put them
template <class Weights>
struct amx_tiles {
  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    task<T> t;
    t.packed = &p;
    t.grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, 16);
    if (t.grid.lines <= 0 || t.grid.length <= 0) return;
    t.length = t.grid.length;
    t.join_lines();
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    const std::int32_t runs = (t.grid.length + 15) / 16;
    t.pixels = (t.grid.length + runs - 1) / runs;
    t.out.y_step = t.grid.y_step;
    t.out.epilogue = &e;
    amx_tile_config::of(t.pixels, p.panels[0].block).load();
    const bool one = t.grid.lines * runs == 1, few = t.grid.lines * runs <= 4 || t.pixels <= 8;
    for (std::int32_t i = 0; i < p.panel_count; ++i) {
      t.panel = &p.panels[i];
      const std::int32_t registers = t.panel->channels / 16, together = registers == 2 && (one || !few) ? 2 : 1;
      for (t.first_register = 0; t.first_register < registers; t.first_register += together) {
        t.out.set_panel(t.panel->channel + t.first_register * 16, together, stored, sizeof(T) == 1);
        together == 2 ? tiles<2, 2>(t) : tiles<4, 1>(t);
      }
    }
    _tile_release();
  }

private:
  /// Pixels [start, start + task::pixels) of a line.
  struct run {
    const std::uint8_t* x = nullptr;
    std::int32_t line = 0, start = 0;
  };

  /// What all tiles of some channels of a panel share.
  template <class T>
  struct task {
    const conv_packed* packed = nullptr;
    const conv_panel* panel = nullptr;
    quad_range blocks{};
    std::int32_t first_register = 0;  ///< the first 16 channels of the panel that are wanted
    std::int32_t pixels = 0;          ///< of a run
    std::int32_t length = 0;          ///< pixels of a line that are outputs
    std::int32_t pitch = 0;           ///< where lines are joined, from one to the next; 0: they are not
    pixel_grid<T> grid;
    avx512_output out;

    /// One line of all, halo included, where that makes fewer runs.
    void join_lines() noexcept {
      if (grid.first_row < 0 || grid.lines == 1 || grid.length >= 16 || grid.x_line % grid.x_step != 0) return;
      const std::ptrdiff_t between = grid.x_line / grid.x_step, all = (grid.lines - 1) * between + grid.length;
      if (between < grid.length || (all + 15) / 16 >= grid.lines) return;
      pitch = static_cast<std::int32_t>(between);
      grid.length = static_cast<std::int32_t>(all);
      grid.lines = 1;
      grid.first_row = -1;
    }
  };

  /// Sums that wait for their epilogue, which runs beside the products of the next tile, and memory for weights.
  struct workspace {
    alignas(64) std::int32_t sums[2][4 * 16 * 16];  ///< (runs, 16 pixels, channels), of this tile and the next
    alignas(64) std::int8_t weights[4][16 * 64];
    run runs[4];
    std::int32_t held = 0, turn = 0;
  };

  /// All outputs of some channels. The last run of a line starts early rather than being short: equal bits twice.
  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void tiles(task<T>& t) noexcept {
    workspace w;
    run runs[Runs];
    std::int32_t held = 0;
    const pixel_grid<T>& grid = t.grid;
    t.blocks = {0, t.panel->quads};
    for (std::int32_t line = 0; line < grid.lines; ++line) {
      if (grid.first_row >= 0) {
        const quad_range blocks = quads_of_row(*t.packed, *t.panel, grid.first_row + line);
        if (!(blocks == t.blocks)) {
          partial_tile<Runs, Registers>(t, runs, held, w);
          held = 0;
          t.blocks = blocks;
        }
      }
      for (std::int32_t i = 0; i < grid.length; i += t.pixels) {
        const std::int32_t start = std::min(i, grid.length - t.pixels);
        runs[held++] = {grid.x + line * grid.x_line + start * grid.x_step, line, start};
        if (held < Runs) continue;
        tile<Runs, Registers>(t, runs, w);
        held = 0;
      }
    }
    partial_tile<Runs, Registers>(t, runs, held, w);
    store<Registers>(t, w);
  }

  /// Fewer runs than a tile has.
  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void partial_tile(const task<T>& t, const run* runs, std::int32_t held, workspace& w) noexcept {
    if (held == 1) tile<1, Registers>(t, runs, w);
    if constexpr (Runs > 2) {
      if (held == 2) tile<2, Registers>(t, runs, w);
      if (held == 3) tile<3, Registers>(t, runs, w);
    }
  }

  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void tile(const task<T>& t, const run* runs, workspace& w) noexcept {
    asm volatile("" : : : "memory");  // see amx_tile_config
    sums<Runs, Registers>(t, runs, w, w.sums[1 - w.turn]);
    store<Registers>(t, w);
    std::copy_n(runs, Runs, w.runs);
    w.held = Runs;
    w.turn = 1 - w.turn;
  }

  template <std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void store(const task<T>& t, const workspace& w) noexcept {
    const pixel_grid<T>& grid = t.grid;
    T* const y = grid.y + t.out.channel;
    for (std::int32_t i = 0; i < w.held; ++i) {
      const std::int32_t* const sums = w.sums[w.turn] + i * 16 * Registers * 16;
      const auto [x, line, start] = w.runs[i];
      if (t.pitch == 0) {
        const pixel_run<T> all{x, y + line * grid.y_line + start * grid.y_step};
        avx512_store_run<Registers>(t.out, all, t.pixels, sums);
        continue;
      }
      for (std::int32_t done = 0; done < t.pixels;) {
        const std::int32_t row = (start + done) / t.pitch, column = (start + done) % t.pitch;
        const std::int32_t outputs = std::min(t.length - column, t.pixels - done);
        if (outputs > 0)
          avx512_store_run<Registers>(t.out, pixel_run<T>{x, y + row * grid.y_line + column * grid.y_step}, outputs,
                                      sums + done * Registers * 16);
        done += outputs > 0 ? outputs : t.pitch - column;
      }
    }
  }

  /// acc (runs, 16, Registers * 16) = bias + products.
  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  __attribute__((always_inline)) static inline void sums(const task<T>& t, const run* runs, workspace& work,
                                                         std::int32_t* acc) noexcept {
    const std::int32_t* const bias = t.out.epilogue->bias + t.out.channel;
    const std::int32_t quads = t.panel->block;
    const std::ptrdiff_t w_block = Weights::block_bytes(quads), w_register = w_block * t.panel->quads;
    const std::ptrdiff_t x_step = t.grid.x_step;
    const std::int8_t* w = t.panel->weights + t.first_register * w_register + t.blocks.begin * w_block;
    const std::int32_t* const last = t.panel->offsets + t.blocks.end;
    _tile_loadd(0, bias, 0);
    if constexpr (Registers == 2) _tile_loadd(1, bias + 16, 0);
    if constexpr (Registers == 2 && Runs == 2) _tile_loadd(2, bias, 0);
    if constexpr (Registers == 2 && Runs == 2) _tile_loadd(3, bias + 16, 0);
    if constexpr (Registers == 1 && Runs > 1) _tile_loadd(1, bias, 0);
    if constexpr (Registers == 1 && Runs > 2) _tile_loadd(2, bias, 0);
    if constexpr (Registers == 1 && Runs > 3) _tile_loadd(3, bias, 0);
    const std::int8_t *first = nullptr, *second = nullptr;
    const auto ready = [&](const std::int8_t* block, std::int32_t turn)
        DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8") __attribute__((always_inline)) {
      first = Weights::load(block, quads, work.weights[turn]);
      if constexpr (Registers == 2) second = Weights::load(block + w_register, quads, work.weights[2 + turn]);
    };
    std::int32_t turn = 0;
    const std::int32_t* at = t.panel->offsets + t.blocks.begin;
    if (at != last) ready(w, turn);
    while (at != last) {
      const std::int8_t *const now = first, *const also = second;
      const std::ptrdiff_t offset = *at++;
      // Bytes that are written here must be in the cache when their tile is loaded, and they get there when all before
      // them is done: so ahead of the products, not behind them.
      if (at != last) ready(w += w_block, turn ^= 1);
      _tile_loadd(6, now, 64);
      if constexpr (Registers == 2) _tile_loadd(7, also, 64);
      _tile_loadd(4, runs[0].x + offset, x_step);
      _tile_dpbusd(0, 4, 6);
      if constexpr (Registers == 2) _tile_dpbusd(1, 4, 7);
      if constexpr (Runs > 1) _tile_loadd(5, runs[1].x + offset, x_step);
      if constexpr (Runs > 1 && Registers == 1) _tile_dpbusd(1, 5, 6);
      if constexpr (Runs > 1 && Registers == 2) _tile_dpbusd(2, 5, 6);
      if constexpr (Runs > 1 && Registers == 2) _tile_dpbusd(3, 5, 7);
      if constexpr (Runs > 2) _tile_loadd(4, runs[2].x + offset, x_step);
      if constexpr (Runs > 2) _tile_dpbusd(2, 4, 6);
      if constexpr (Runs > 3) _tile_loadd(5, runs[3].x + offset, x_step);
      if constexpr (Runs > 3) _tile_dpbusd(3, 5, 6);
    }
    constexpr std::ptrdiff_t row = Registers * 64, next = 16 * Registers * 16;
    _tile_stored(0, acc, row);
    if constexpr (Registers == 2) _tile_stored(1, acc + 16, row);
    if constexpr (Registers == 2 && Runs == 2) _tile_stored(2, acc + next, row);
    if constexpr (Registers == 2 && Runs == 2) _tile_stored(3, acc + next + 16, row);
    if constexpr (Registers == 1 && Runs > 1) _tile_stored(1, acc + next, row);
    if constexpr (Registers == 1 && Runs > 2) _tile_stored(2, acc + 2 * next, row);
    if constexpr (Registers == 1 && Runs > 3) _tile_stored(3, acc + 3 * next, row);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
