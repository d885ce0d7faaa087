// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx2_store.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/conv_u8s8/quad_layouts.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Products in s16 by vpmaddwd: vpmaddubsw would saturate, as 255 * 127 * 2 > 32767. A register holds 4 output channels
/// times two sums of pairs; a tile is two pixels times 16 channels, which is all that 16 registers carry.
/// Weights: (panels of 16 channels, quads, 16, 4) as s16.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<layout>::pack(from, memory, p);
  }

  DSMM_TARGET("avx2")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

  DSMM_TARGET("avx2")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  using layout = quads_of_words<16>;

  /// What all tiles of 16 channels share.
  struct panel {
    const std::int16_t* weights;
    const std::int32_t* offsets;
    std::int32_t quads;
    std::ptrdiff_t x_step, y_step;
    avx2_output out;
  };

  template <class T>
  DSMM_TARGET("avx2")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, 2);
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    panel part;
    part.x_step = grid.x_step;
    part.y_step = grid.y_step;
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      const std::int32_t o = p.panels[n].channel;
      part.weights = reinterpret_cast<const std::int16_t*>(p.panels[n].weights);
      part.offsets = p.panels[n].offsets;
      part.quads = p.panels[n].quads;
      part.out = avx2_output::of(e, o, stored, sizeof(T) == 1);
      for (std::int32_t line = 0; line < grid.lines; ++line) {
        const pixel_run<T> first{grid.x + line * grid.x_line, grid.y + line * grid.y_line + o};
        std::int32_t i = 0;
        for (; i + 2 <= grid.length; i += 2)
          tile<2>(part, pixel_run<T>{first.x + i * grid.x_step, first.y + i * grid.y_step});
        if (i < grid.length) tile<1>(part, pixel_run<T>{first.x + i * grid.x_step, first.y + i * grid.y_step});
      }
    }
  }

  template <std::int32_t Pixels, class T>
  DSMM_TARGET("avx2")
  static void tile(const panel& p, const pixel_run<T>& run) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    __m256i a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    const std::int16_t* w = p.weights;
    for (std::int32_t q = 0; q < p.quads; ++q, w += 64) {
      const __m256i w0 = load(w), w1 = load(w + 16), w2 = load(w + 32), w3 = load(w + 48);
      const __m256i a = quad(run.x + p.offsets[q]);
      a0 = _mm256_add_epi32(a0, _mm256_madd_epi16(a, w0));
      a1 = _mm256_add_epi32(a1, _mm256_madd_epi16(a, w1));
      a2 = _mm256_add_epi32(a2, _mm256_madd_epi16(a, w2));
      a3 = _mm256_add_epi32(a3, _mm256_madd_epi16(a, w3));
      if constexpr (Pixels == 2) {
        const __m256i b = quad(run.x + p.offsets[q] + p.x_step);
        b0 = _mm256_add_epi32(b0, _mm256_madd_epi16(b, w0));
        b1 = _mm256_add_epi32(b1, _mm256_madd_epi16(b, w1));
        b2 = _mm256_add_epi32(b2, _mm256_madd_epi16(b, w2));
        b3 = _mm256_add_epi32(b3, _mm256_madd_epi16(b, w3));
      }
    }
    p.out.store(run.y, pair_sums(a0, a1), pair_sums(a2, a3));
    if constexpr (Pixels == 2) p.out.store(run.y + p.y_step, pair_sums(b0, b1), pair_sums(b2, b3));
  }

  /// The sums of 8 channels from the sums of their pairs.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i pair_sums(__m256i a, __m256i b) noexcept {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xD8);
  }

  /// Four input channels as s16, four times.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i quad(const std::uint8_t* x) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(v));
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i load(const std::int16_t* w) noexcept {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
