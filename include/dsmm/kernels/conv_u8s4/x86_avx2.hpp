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

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s4_impl {

/// Here four bits are faster than eight: vpmaddubsw of u8 and a nibble is at most 2 * 255 * 8 = 4080, so the pairs of
/// eight quads fit s16 (32640) without saturating, and one vpmaddwd by the scale turns them into s32. int8 weights need
/// two widening multiplications for what is one here. A tile is 4 pixels x 16 channels.
/// Weights: (panels of 16 channels, quads, 32) bytes: low nibbles are the first 8 channels x 4, high ones the others.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return conv_u8s8_impl::panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    conv_u8s8_impl::panel_pack<layout>::pack(from, memory, p);
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
  static constexpr std::int32_t run_pixels = 4, quads_in_s16 = 8;

  struct layout {
    static constexpr bool nibbles = true, sums = false;
    static constexpr std::int32_t max_width = 16;
    static constexpr std::int32_t width(std::int32_t) noexcept { return 16; }
    static constexpr std::size_t quad_bytes(std::size_t) noexcept { return 32; }
    static void put(const std::int8_t (*quad)[4], std::size_t, std::int8_t* out) noexcept {
      const auto* const values = reinterpret_cast<const std::int8_t*>(quad);
      for (std::size_t i = 0; i < 32; ++i)
        out[i] = static_cast<std::int8_t>((values[i] & 15) | (values[32 + i] & 15) << 4);
    }
  };

  template <class T>
  DSMM_TARGET("avx2")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    using conv_u8s8_impl::pixel_run;
    const auto grid = conv_u8s8_impl::pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, run_pixels);
    const std::int32_t stored = p.geometry.out_channels + (sizeof(T) == 1 ? e.pad_channels : 0);
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      const conv_panel& panel = p.panels[n];
      const auto out = conv_u8s8_impl::avx2_output::of(e, panel.channel, stored, sizeof(T) == 1);
      for (std::int32_t line = 0; line < grid.lines; ++line) {
        const pixel_run<T> first{grid.x + line * grid.x_line, grid.y + line * grid.y_line + panel.channel};
        if (grid.length < run_pixels) {
          for (std::int32_t i = 0; i < grid.length; ++i)
            tile<1>(panel, out, grid.x_step, grid.y_step, first.x + i * grid.x_step, first.y + i * grid.y_step);
          continue;
        }
        for (std::int32_t i = 0; i < grid.length; i += run_pixels) {
          const std::int32_t at = i + run_pixels <= grid.length ? i : grid.length - run_pixels;
          tile<run_pixels>(panel, out, grid.x_step, grid.y_step, first.x + at * grid.x_step,
                           first.y + at * grid.y_step);
        }
      }
    }
  }

  template <std::int32_t Pixels, class T>
  DSMM_TARGET("avx2")
  static void tile(const conv_panel& p, const conv_u8s8_impl::avx2_output& out, std::ptrdiff_t x_step,
                   std::ptrdiff_t y_step, const std::uint8_t* x, T* y) noexcept {
    __m256i acc[2 * Pixels];
    for (std::int32_t i = 0; i < 2 * Pixels; ++i) acc[i] = _mm256_setzero_si256();
    const std::int8_t* w = p.weights;
    const std::int32_t segments = p.segments == 0 ? 1 : p.segments;
    for (std::int32_t segment = 0, q = 0; segment < segments; ++segment) {
      const std::int32_t end = p.segments == 0 ? p.quads : p.ends[segment];
      __m256i scale[2] = {_mm256_set1_epi16(16), _mm256_set1_epi16(16)};
      if (p.segments != 0)
        for (std::int32_t r = 0; r < 2; ++r) scale[r] = pairs_of_scales(p.scales + segment * p.channels + r * 8);
      while (q < end) {
        const std::int32_t stop = end - q < quads_in_s16 ? end : q + quads_in_s16;
        __m256i s[2 * Pixels];
        sums<Pixels>(p.offsets + q, p.offsets + stop, w, x, x_step, s);
        w += (stop - q) * 32;
        q = stop;
        for (std::int32_t i = 0; i < 2 * Pixels; ++i)
          acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(s[i], scale[i % 2]));
      }
    }
    for (std::int32_t i = 0; i < Pixels; ++i) out.store(y + i * y_step, acc[2 * i], acc[2 * i + 1]);
  }

  /// s16 sums of the pairs of up to eight quads.
  template <std::int32_t Pixels>
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void sums(const std::int32_t* offset, const std::int32_t* last,
                                                         const std::int8_t* w, const std::uint8_t* x,
                                                         std::ptrdiff_t x_step, __m256i* s) noexcept {
    const __m256i lower = _mm256_set1_epi8(15);
    const __m256i values = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6,
                                            7, -8, -7, -6, -5, -4, -3, -2, -1);
    const __m256i zero = _mm256_setzero_si256();
    __m256i a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
    for (; offset != last; ++offset, w += 32) {
      const __m256i both = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i w0 = _mm256_shuffle_epi8(values, both & lower);
      const __m256i w1 = _mm256_shuffle_epi8(values, _mm256_srli_epi16(both, 4) & lower);
      const std::uint8_t* const at = x + *offset;
      add_pairs(a0, a1, at, w0, w1);
      if constexpr (Pixels == 4) {
        add_pairs(b0, b1, at + x_step, w0, w1);
        add_pairs(c0, c1, at + 2 * x_step, w0, w1);
        add_pairs(d0, d1, at + 3 * x_step, w0, w1);
      }
    }
    s[0] = a0, s[1] = a1;
    if constexpr (Pixels == 4) s[2] = b0, s[3] = b1, s[4] = c0, s[5] = c1, s[6] = d0, s[7] = d1;
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void add_pairs(__m256i& s0, __m256i& s1, const std::uint8_t* x,
                                                              __m256i w0, __m256i w1) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    const __m256i a = _mm256_set1_epi32(v);
    s0 = _mm256_add_epi16(s0, _mm256_maddubs_epi16(a, w0));
    s1 = _mm256_add_epi16(s1, _mm256_maddubs_epi16(a, w1));
    asm volatile("" : "+x"(s0), "+x"(s1));  // one pixel after the other, or g++ spills: 223 against 185 GOP/s
  }

  /// The scales of 8 channels, each twice as s16.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i pairs_of_scales(const std::uint8_t* scales) noexcept {
    const __m256i words = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales)));
    return words | _mm256_slli_epi32(words, 16);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s4_impl
