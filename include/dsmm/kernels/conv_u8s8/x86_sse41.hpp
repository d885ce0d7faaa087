// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/conv_u8s8/quad_layouts.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// pmaddwd on 128 bits: a register holds 2 output channels times two sums of pairs, a tile is 2 pixels x 8 channels.
/// There is no shift by lanes in SSE, so the epilogue is the generic one. Weights: (panels of 8 channels, quads, 8, 4)
/// as s16.
struct x86_sse41 {
  static constexpr isa required = isa::x86_sse41;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<layout>::pack(from, memory, p);
  }

  DSMM_TARGET("sse4.1")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }
  DSMM_TARGET("sse4.1")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  using layout = quads_of_words<8>;

  template <class T>
  DSMM_TARGET("sse4.1")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, 2);
    const std::int32_t channels = p.geometry.out_channels;
    for (std::int32_t n = 0; n < p.panel_count; ++n) {
      const conv_panel& panel = p.panels[n];
      for (std::int32_t line = 0; line < grid.lines; ++line) {
        const std::uint8_t* const in = grid.x + line * grid.x_line;
        T* const to = grid.y + line * grid.y_line;
        for (std::int32_t i = 0; i < grid.length; i += 2) {
          const bool two = i + 1 < grid.length;
          alignas(16) std::int32_t acc[16];
          sums(panel, in + i * grid.x_step, two ? grid.x_step : 0, acc);
          finish(panel, e, channels, acc, to + i * grid.y_step);
          if (two) finish(panel, e, channels, acc + 8, to + (i + 1) * grid.y_step);
        }
      }
    }
  }

  /// acc (2, 8): pixels at x and x + step.
  DSMM_TARGET("sse4.1")
  static void sums(const conv_panel& p, const std::uint8_t* x, std::ptrdiff_t step, std::int32_t* acc) noexcept {
    const __m128i zero = _mm_setzero_si128();
    __m128i a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    const auto* w = reinterpret_cast<const __m128i*>(p.weights);
    for (std::int32_t q = 0; q < p.quads; ++q, w += 4) {
      const __m128i a = quad(x + p.offsets[q]), b = quad(x + p.offsets[q] + step);
      const __m128i w0 = _mm_load_si128(w), w1 = _mm_load_si128(w + 1);
      const __m128i w2 = _mm_load_si128(w + 2), w3 = _mm_load_si128(w + 3);
      a0 = _mm_add_epi32(a0, _mm_madd_epi16(a, w0)), b0 = _mm_add_epi32(b0, _mm_madd_epi16(b, w0));
      a1 = _mm_add_epi32(a1, _mm_madd_epi16(a, w1)), b1 = _mm_add_epi32(b1, _mm_madd_epi16(b, w1));
      a2 = _mm_add_epi32(a2, _mm_madd_epi16(a, w2)), b2 = _mm_add_epi32(b2, _mm_madd_epi16(b, w2));
      a3 = _mm_add_epi32(a3, _mm_madd_epi16(a, w3)), b3 = _mm_add_epi32(b3, _mm_madd_epi16(b, w3));
    }
    auto* const out = reinterpret_cast<__m128i*>(acc);
    _mm_store_si128(out, pair_sums(a0, a1)), _mm_store_si128(out + 1, pair_sums(a2, a3));
    _mm_store_si128(out + 2, pair_sums(b0, b1)), _mm_store_si128(out + 3, pair_sums(b2, b3));
  }

  /// The sums of 4 channels from the sums of their pairs.
  DSMM_TARGET("sse4.1")
  __attribute__((always_inline)) static inline __m128i pair_sums(__m128i a, __m128i b) noexcept {
    const __m128 even = _mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), 0x88);
    const __m128 odd = _mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), 0xDD);
    return _mm_add_epi32(_mm_castps_si128(even), _mm_castps_si128(odd));
  }

  /// Four input channels as s16, twice.
  DSMM_TARGET("sse4.1")
  __attribute__((always_inline)) static inline __m128i quad(const std::uint8_t* x) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    return _mm_cvtepu8_epi16(_mm_set1_epi32(v));
  }

  static void finish(const conv_panel& p, const conv_epilogue& e, std::int32_t channels, const std::int32_t* acc,
                     std::uint8_t* y) noexcept {
    for (std::int32_t o = 0; o < 8 && p.channel + o < channels; ++o)
      y[p.channel + o] = requantize_impl::generic::one(acc[o], static_cast<std::size_t>(p.channel + o), e);
    if (p.channel + 8 < channels) return;
    for (std::int32_t o = 0; o < e.pad_channels; ++o) y[channels + o] = static_cast<std::uint8_t>(e.zero_point);
  }
  static void finish(const conv_panel& p, const conv_epilogue& e, std::int32_t channels, const std::int32_t* acc,
                     float* y) noexcept {
    for (std::int32_t o = 0; o < 8 && p.channel + o < channels; ++o)
      y[p.channel + o] = requantize_impl::generic::one_f32(acc[o], static_cast<std::size_t>(p.channel + o), e);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
