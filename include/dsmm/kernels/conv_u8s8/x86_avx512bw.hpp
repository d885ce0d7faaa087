// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx512_store.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Products in s16 by vpmaddwd: vpmaddubsw would saturate. Of four inputs in every lane, a mask leaves 0 and 2 as s16
/// and a shift 1 and 3, once for all channels. A tile is 2 runs of 4 pixels x 32 channels: 16 accumulators, 4 weights,
/// 2 inputs. Weights: (panels of 32 or 16 channels, quads, inputs 0 and 2 or 1 and 3, 32 or 16, 2) as s16.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<layout>::pack(from, memory, p);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  static constexpr std::int32_t run_pixels = 4, most_runs = 2;

  struct layout {
    static constexpr bool nibbles = false, sums = false;
    static constexpr std::int32_t max_width = 32;
    static constexpr std::int32_t width(std::int32_t rest) noexcept { return rest > 16 ? 32 : 16; }
    static constexpr std::size_t quad_bytes(std::size_t channels) noexcept { return channels * 8; }
    static void put(const std::int8_t (*quad)[4], std::size_t channels, std::int8_t* out) noexcept {
      for (std::size_t o = 0; o < channels; ++o)
        for (std::size_t i = 0; i < 4; ++i) {
          const std::int16_t word = quad[o][i];
          std::memcpy(out + ((i % 2 * channels + o) * 2 + i / 2) * 2, &word, 2);
        }
    }
  };

  /// What all tiles of a panel share.
  struct task {
    const conv_panel* panel;
    std::ptrdiff_t x_step;
    avx512_output out;
  };

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, run_pixels);
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    task t;
    t.x_step = grid.x_step;
    t.out.y_step = grid.y_step;
    t.out.epilogue = &e;
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      t.panel = &p.panels[n];
      t.out.set_panel(t.panel->channel, t.panel->channels / 16, stored, sizeof(T) == 1);
      if (t.panel->channels == 16) tiles<1>(t, grid);
      else tiles<2>(t, grid);
    }
  }

  /// All outputs of a panel. The last run of a line starts early rather than being short: equal bits twice.
  template <std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void tiles(const task& t, const pixel_grid<T>& grid) noexcept {
    pixel_run<T> runs[most_runs];
    std::int32_t held = 0;
    for (std::int32_t line = 0; line < grid.lines; ++line) {
      const pixel_run<T> first{grid.x + line * grid.x_line, grid.y + line * grid.y_line + t.panel->channel};
      if (grid.length < run_pixels) {
        for (std::int32_t i = 0; i < grid.length; ++i) {
          const pixel_run<T> one{first.x + i * grid.x_step, first.y + i * grid.y_step};
          tile<1, 1, Registers>(t, &one);
        }
        continue;
      }
      for (std::int32_t i = 0; i < grid.length; i += run_pixels) {
        const std::int32_t start = i + run_pixels <= grid.length ? i : grid.length - run_pixels;
        runs[held++] = {first.x + start * grid.x_step, first.y + start * grid.y_step};
        if (held < most_runs) continue;
        tile<run_pixels, most_runs, Registers>(t, runs);
        held = 0;
      }
    }
    if (held == 1) tile<run_pixels, 1, Registers>(t, runs);
  }

  template <std::int32_t Run, std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void tile(const task& t, const pixel_run<T>* runs) noexcept {
    constexpr std::int32_t pixels = Run * Runs;
    alignas(64) std::int32_t acc[pixels * Registers * 16];
    sums<Run, Registers>(t, runs, acc, std::make_integer_sequence<std::int32_t, pixels>{},
                         std::make_integer_sequence<std::int32_t, pixels * Registers>{});
    avx512_store<Registers, Run, pixels>(t.out, runs, acc);
  }

  /// acc (pixels, Registers * 16) = bias + the dot products of `Pixel`s.. in runs.
  template <std::int32_t Run, std::int32_t Registers, class T, std::int32_t... Pixel, std::int32_t... Cell>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline void sums(const task& t, const pixel_run<T>* runs, std::int32_t* acc,
                                                         std::integer_sequence<std::int32_t, Pixel...>,
                                                         std::integer_sequence<std::int32_t, Cell...>) noexcept {
    __m512i c[sizeof...(Cell)];
    const conv_panel& p = *t.panel;
    ((c[Cell] = _mm512_loadu_si512(t.out.epilogue->bias + p.channel + Cell % Registers * 16)), ...);
    const std::uint8_t* const x[] = {(runs[Pixel / Run].x + Pixel % Run * t.x_step)...};
    const std::int8_t* w = p.weights;
    for (const std::int32_t *o = p.offsets, *const last = o + p.quads; o != last; ++o, w += Registers * 128) {
      __m512i b[2 * Registers];
      for (std::int32_t r = 0; r < 2 * Registers; ++r) b[r] = _mm512_load_si512(w + r * 64);
      (add_products<Registers>(c + Pixel * Registers, x[Pixel] + *o, b), ...);
    }
    ((_mm512_store_si512(acc + Cell * 16, c[Cell])), ...);
  }

  template <std::int32_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline void add_products(__m512i* c, const std::uint8_t* x,
                                                                 const __m512i* b) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    const __m512i a = _mm512_set1_epi32(v);
    const __m512i even = a & _mm512_set1_epi16(255), odd = _mm512_srli_epi16(a, 8);
    for (std::int32_t r = 0; r < Registers; ++r) {
      c[r] = _mm512_add_epi32(c[r], _mm512_madd_epi16(even, b[r]));
      c[r] = _mm512_add_epi32(c[r], _mm512_madd_epi16(odd, b[Registers + r]));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
