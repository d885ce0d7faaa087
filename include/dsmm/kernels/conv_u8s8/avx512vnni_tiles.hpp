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
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// A register holds 16 output channels; vpdpbusd adds four products into each lane. A tile is a few runs of pixels
/// times the channels of a panel. Runs of 4 or of 7, whichever wastes less of a line: 3 x 4 pixels x 32 channels are 24
/// accumulators, 2 x 7 x 32 are 28. Runs lie anywhere, so that a tile may span lines, and a run's base pointer with
/// x86's scaled index leaves little to compute. `Weights` says how weights come into registers.
template <class Weights>
struct avx512vnni_tiles {
  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, 4);
    const std::int32_t pad = sizeof(T) == 1 ? e.pad_channels : 0;
    const bool sevens = grid.length >= 7 && (grid.length + 6) / 7 * 7 < (grid.length + 3) / 4 * 4;
    task t;
    t.packed = &p;
    t.x_step = grid.x_step;
    t.out.y_step = grid.y_step;
    t.out.epilogue = &e;
    for (std::int32_t i = 0; i < p.panel_count; ++i) {
      t.panel = &p.panels[i];
      const std::int32_t o = t.panel->channel, n = t.panel->channels;
      const auto quad = static_cast<std::ptrdiff_t>(Weights::quad_bytes(static_cast<std::size_t>(n)));
      const std::ptrdiff_t bytes = quad * t.panel->quads;
      t.ahead = bytes >= far_panel ? bytes * p.panels_ahead : 0;
      t.out.set_panel(o, n / 16, p.geometry.out_channels + pad, sizeof(T) == 1);
      if (n == 16) sevens ? tiles<7, 4, 1>(t, grid) : tiles<4, 4, 1>(t, grid);
      else if (n == 32) sevens ? tiles<7, Weights::runs_of_7, 2>(t, grid) : tiles<4, Weights::runs_of_4, 2>(t, grid);
      else if constexpr (Weights::max_width > 32) sevens ? tiles<7, 1, 3>(t, grid) : tiles<4, 2, 3>(t, grid);
    }
  }

private:
  /// Panels so large that all of them together are not in the second cache when their turn comes: the tiles of one ask
  /// for the next (layers of 256 and 512 channels gain 5 to 10 %). For smaller ones the requests cost 3 %; asking in
  /// the first tile alone brings half of it.
  static constexpr std::ptrdiff_t far_panel = 1 << 16;

  /// What all tiles of a panel share.
  struct task {
    const conv_packed* packed;
    const conv_panel* panel;
    quad_range quads;  ///< of the panel; all of them where weights come in groups
    std::ptrdiff_t x_step;
    std::ptrdiff_t ahead;  ///< bytes from a weight of this panel to one that will be wanted next; 0: do not ask
    avx512_output out;
  };

  /// All outputs of a panel. The last run of a line starts early rather than being short: equal bits twice.
  template <std::int32_t Run, std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void tiles(task& t, const pixel_grid<T>& grid) noexcept {
    pixel_run<T> runs[Runs];
    std::int32_t held = 0;
    t.quads = {0, t.panel->quads};
    for (std::int32_t line = 0; line < grid.lines; ++line) {
      if (!Weights::grouped && grid.first_row >= 0) {
        const quad_range quads = quads_of_row(*t.packed, *t.panel, grid.first_row + line);
        if (!(quads == t.quads)) {
          partial_tile<Run, Runs, Registers>(t, runs, held);
          held = 0;
          t.quads = quads;
        }
      }
      const std::uint8_t* const x = grid.x + line * grid.x_line;
      T* const y = grid.y + line * grid.y_line + t.panel->channel;
      if (grid.length < Run) {
        for (std::int32_t i = 0; i < grid.length; ++i)
          pixel<Registers>(t, pixel_run<T>{x + i * grid.x_step, y + i * grid.y_step});
        continue;
      }
      for (std::int32_t i = 0; i < grid.length; i += Run) {
        const std::int32_t start = i + Run <= grid.length ? i : grid.length - Run;
        runs[held++] = {x + start * grid.x_step, y + start * grid.y_step};
        if (held < Runs) continue;
        bool asked = false;
        if constexpr (Registers == 2 && !Weights::grouped)  // the panels of wide layers; for others not worth the code
          if (t.ahead != 0) tile<Run, Runs, Registers, true>(t, runs), asked = true;
        if (!asked) tile<Run, Runs, Registers>(t, runs);
        held = 0;
      }
    }
    partial_tile<Run, Runs, Registers>(t, runs, held);
  }

  /// Fewer runs than a tile has.
  template <std::int32_t Run, std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void partial_tile(const task& t, const pixel_run<T>* runs, std::int32_t held) noexcept {
    if constexpr (Runs > 1)
      if (held == 1) tile<Run, 1, Registers>(t, runs);
    if constexpr (Runs > 2)
      if (held == 2) tile<Run, 2, Registers>(t, runs);
    if constexpr (Runs > 3)
      if (held == 3) tile<Run, 3, Registers>(t, runs);
  }

  template <std::int32_t Run, std::int32_t Runs, std::int32_t Registers, bool Ahead = false, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void tile(const task& t, const pixel_run<T>* runs) noexcept {
    constexpr std::int32_t pixels = Run * Runs;
    alignas(64) std::int32_t acc[pixels * Registers * 16];
    sums<Run, Registers, Ahead>(t, runs, acc, std::make_integer_sequence<std::int32_t, pixels>{},
                         std::make_integer_sequence<std::int32_t, pixels * Registers>{});
    avx512_store<Registers, Run, pixels>(t.out, runs, acc);
  }

  /// acc (pixels, Registers * 16) = bias + the dot products of `Pixel`s.. in runs.
  template <std::int32_t Run, std::int32_t Registers, bool Ahead, class T, std::int32_t... Pixel, std::int32_t... Cell>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void sums(const task& t, const pixel_run<T>* runs, std::int32_t* acc,
                                                         std::integer_sequence<std::int32_t, Pixel...>,
                                                         std::integer_sequence<std::int32_t, Cell...>) noexcept {
    __m512i c[sizeof...(Cell)];
    const conv_panel& p = *t.panel;
    ((c[Cell] = _mm512_loadu_si512(t.out.epilogue->bias + p.channel + Cell % Registers * 16)), ...);
    const std::uint8_t* const x[] = {runs[Pixel / Run].x...};
    const std::ptrdiff_t step[] = {t.x_step, 3 * t.x_step, 5 * t.x_step};
    const std::int8_t* w = p.weights + t.quads.begin * static_cast<std::ptrdiff_t>(Weights::quad_bytes(Registers * 16));
    const std::int32_t* offset = p.offsets + t.quads.begin;
    for (std::int32_t segment = 0; segment < Weights::segments(p); ++segment) {
      const auto scale = Weights::template scale<Registers>(p, segment);
      const std::int32_t* const last = p.offsets + (Weights::grouped ? Weights::end(p, segment) : t.quads.end);
      for (; offset != last; ++offset, w += Weights::quad_bytes(Registers * 16)) {
        const std::ptrdiff_t at = *offset;
        __m512i b[Registers];
        Weights::template load<Registers>(w, scale, b);
        for (std::size_t line = 0; Ahead && line < Weights::quad_bytes(Registers * 16); line += 64)
          _mm_prefetch(reinterpret_cast<const char*>(w + t.ahead + line), _MM_HINT_T1);
        (dots<Registers>(c + Pixel * Registers, quad(x[Pixel] + at + distance<Pixel % Run>(step)), b), ...);
      }
    }
    ((_mm512_store_si512(acc + Cell * 16, c[Cell])), ...);
  }

  /// I steps out of 1, 3 and 5 of them: factors of 1, 2 and 4 are free in an address.
  template <std::int32_t I>
  __attribute__((always_inline)) static inline std::ptrdiff_t distance(const std::ptrdiff_t* step) noexcept {
    if constexpr (I == 3) return step[1];
    else if constexpr (I == 5) return step[2];
    else if constexpr (I == 6) return 2 * step[1];
    else return I * step[0];
  }

  template <std::int32_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void dots(__m512i* c, __m512i a, const __m512i* b) noexcept {
    c[0] = _mm512_dpbusd_epi32(c[0], a, b[0]);
    if constexpr (Registers > 1) c[1] = _mm512_dpbusd_epi32(c[1], a, b[1]);
    if constexpr (Registers > 2) c[2] = _mm512_dpbusd_epi32(c[2], a, b[2]);
  }

  /// Four input channels in every lane.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i quad(const std::uint8_t* x) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
  }

  /// One pixel reads every weight once, so they come from afar: four chains of sums per register hide the cycles of
  /// vpdpbusd. Asking for lines 0.5 to 8 KB ahead only made it slower. Scales of I4S groups apply to the sums of a
  /// group.
  template <std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pixel(const task& t, const pixel_run<T>& at) noexcept {
    constexpr std::int32_t bytes = static_cast<std::int32_t>(Weights::quad_bytes(Registers * 16));
    const conv_panel& p = *t.panel;
    __m512i total[Registers];
    for (std::int32_t r = 0; r < Registers; ++r)
      total[r] = _mm512_loadu_si512(t.out.epilogue->bias + p.channel + r * 16);
    std::int32_t q = t.quads.begin;
    const std::int8_t* w = p.weights + q * bytes;
    for (std::int32_t segment = 0; segment < Weights::segments(p); ++segment) {
      const std::int32_t last = Weights::grouped ? Weights::end(p, segment) : t.quads.end;
      __m512i c[4 * Registers];
      for (std::int32_t i = 0; i < 4 * Registers; ++i) c[i] = _mm512_setzero_si512();
      for (; q + 4 <= last; q += 4, w += 4 * bytes) {
        chain<Registers>(c, at.x + p.offsets[q], w);
        chain<Registers>(c + Registers, at.x + p.offsets[q + 1], w + bytes);
        chain<Registers>(c + 2 * Registers, at.x + p.offsets[q + 2], w + 2 * bytes);
        chain<Registers>(c + 3 * Registers, at.x + p.offsets[q + 3], w + 3 * bytes);
      }
      for (; q < last; ++q, w += bytes) chain<Registers>(c, at.x + p.offsets[q], w);
      for (std::int32_t r = 0; r < Registers; ++r) {
        const __m512i low = _mm512_add_epi32(c[r], c[Registers + r]);
        const __m512i high = _mm512_add_epi32(c[2 * Registers + r], c[3 * Registers + r]);
        total[r] = _mm512_add_epi32(total[r], Weights::scaled(p, segment, r, _mm512_add_epi32(low, high)));
      }
    }
    alignas(64) std::int32_t acc[Registers * 16];
    for (std::int32_t r = 0; r < Registers; ++r) _mm512_store_si512(acc + r * 16, total[r]);
    avx512_store<Registers, 1, 1>(t.out, &at, acc);
  }

  template <std::int32_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void chain(__m512i* c, const std::uint8_t* x,
                                                          const std::int8_t* w) noexcept {
    __m512i b[Registers];
    Weights::template load_unscaled<Registers>(w, b);
    dots<Registers>(c, quad(x), b);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
