// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx2_store.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/conv_u8s8/quad_layouts.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// vpdpbusd on 256 bits: clients since Alder Lake have it without AVX-512. A tile is 3 runs of 2 pixels x 16 channels:
/// 12 accumulators, 2 weights, 1 broadcast of the 16 registers. Weights: (panels of 16 channels, quads, 16, 4).
struct x86_avxvnni {
  static constexpr isa required = isa::x86_avxvnni;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<layout>::pack(from, memory, p);
  }

  DSMM_TARGET("avx2,avxvnni")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }
  DSMM_TARGET("avx2,avxvnni")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  static constexpr std::int32_t run_pixels = 2, most_runs = 3;

  using layout = quads_of_bytes<16>;

  /// What all tiles of a panel share.
  struct task {
    const conv_panel* panel;
    avx2_output out;
    std::ptrdiff_t x_step, y_step;
  };

  template <class T>
  DSMM_TARGET("avx2,avxvnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, run_pixels);
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      const task t{&p.panels[n], avx2_output::of(e, p.panels[n].channel, stored, sizeof(T) == 1), grid.x_step,
                   grid.y_step};
      pixel_run<T> runs[most_runs];
      std::int32_t held = 0;
      for (std::int32_t line = 0; line < grid.lines; ++line) {
        const pixel_run<T> first{grid.x + line * grid.x_line, grid.y + line * grid.y_line + t.panel->channel};
        if (grid.length < run_pixels) {
          pixel(t, first);
          continue;
        }
        for (std::int32_t i = 0; i < grid.length; i += run_pixels) {
          const std::int32_t start = i + run_pixels <= grid.length ? i : grid.length - run_pixels;
          runs[held++] = {first.x + start * grid.x_step, first.y + start * grid.y_step};
          if (held < most_runs) continue;
          tile(t, runs);
          held = 0;
        }
      }
      // Missing runs repeat the first one: equal bits to the same place.
      if (held == 0) continue;
      while (held < most_runs) runs[held++] = runs[0];
      tile(t, runs);
    }
  }

  template <class T>
  DSMM_TARGET("avx2,avxvnni")
  static void tile(const task& t, const pixel_run<T>* runs) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    __m256i a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero;
    __m256i d0 = zero, d1 = zero, e0 = zero, e1 = zero, f0 = zero, f1 = zero;
    const std::int8_t* w = t.panel->weights;
    const std::uint8_t *const x0 = runs[0].x, *const x1 = runs[1].x, *const x2 = runs[2].x;
    const std::ptrdiff_t step = t.x_step;
    for (const std::int32_t *o = t.panel->offsets, *const last = o + t.panel->quads; o != last; ++o, w += 64) {
      const __m256i w0 = load(w), w1 = load(w + 32);
      dots(a0, a1, x0 + *o, w0, w1);
      dots(b0, b1, x0 + *o + step, w0, w1);
      dots(c0, c1, x1 + *o, w0, w1);
      dots(d0, d1, x1 + *o + step, w0, w1);
      dots(e0, e1, x2 + *o, w0, w1);
      dots(f0, f1, x2 + *o + step, w0, w1);
    }
    t.out.store(runs[0].y, a0, a1);
    t.out.store(runs[0].y + t.y_step, b0, b1);
    t.out.store(runs[1].y, c0, c1);
    t.out.store(runs[1].y + t.y_step, d0, d1);
    t.out.store(runs[2].y, e0, e1);
    t.out.store(runs[2].y + t.y_step, f0, f1);
  }

  /// One pixel: four chains of sums, as vpdpbusd takes five cycles.
  template <class T>
  DSMM_TARGET("avx2,avxvnni")
  static void pixel(const task& t, const pixel_run<T>& at) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    __m256i a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
    const std::int8_t* w = t.panel->weights;
    const std::int32_t* o = t.panel->offsets;
    std::int32_t q = t.panel->quads;
    for (; q >= 4; q -= 4, o += 4, w += 256) {
      dots(a0, a1, at.x + o[0], load(w), load(w + 32));
      dots(b0, b1, at.x + o[1], load(w + 64), load(w + 96));
      dots(c0, c1, at.x + o[2], load(w + 128), load(w + 160));
      dots(d0, d1, at.x + o[3], load(w + 192), load(w + 224));
    }
    for (; q > 0; --q, ++o, w += 64) dots(a0, a1, at.x + o[0], load(w), load(w + 32));
    t.out.store(at.y, _mm256_add_epi32(_mm256_add_epi32(a0, b0), _mm256_add_epi32(c0, d0)),
                _mm256_add_epi32(_mm256_add_epi32(a1, b1), _mm256_add_epi32(c1, d1)));
  }

  DSMM_TARGET("avx2,avxvnni")
  __attribute__((always_inline)) static inline void dots(__m256i& s0, __m256i& s1, const std::uint8_t* x, __m256i w0,
                                                         __m256i w1) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    const __m256i a = _mm256_set1_epi32(v);
    s0 = _mm256_dpbusd_avx_epi32(s0, a, w0);
    s1 = _mm256_dpbusd_avx_epi32(s1, a, w1);
  }

  DSMM_TARGET("avx2,avxvnni")
  __attribute__((always_inline)) static inline __m256i load(const std::int8_t* w) noexcept {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
