// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/requantize/x86_avx512vnni.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// A register holds 16 output channels; vpdpbusd adds four products into each lane. A tile is up to three runs of four
/// pixels times the 32 channels of a panel (four runs x 16, two x 48). Runs instead of twelve neighbours: any width
/// that is a multiple of four has no tail, and three base pointers with x86's scaled index leave nothing to compute.
/// Weights: panel after panel, (quads, registers, 16 channels, 4). An odd number of registers ends in a panel of three.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  static std::size_t weight_bytes(const conv_geometry& g) noexcept {
    return packed_channels(g) * static_cast<std::size_t>(g.quads()) * 4;
  }

  static void pack(const conv_geometry& g, const std::int8_t* w8, std::int8_t* weights) noexcept {
    const std::ptrdiff_t quads_per_tap = g.in_channels_padded / 4, taps = std::ptrdiff_t{g.kernel_h} * g.kernel_w;
    std::memset(weights, 0, weight_bytes(g));
    for (panels at(g); at.registers != 0; at.next()) {
      for (std::int32_t o = 0; o < at.registers * 16 && at.channel + o < g.out_channels; ++o)
        for (std::ptrdiff_t t = 0; t < taps; ++t)
          for (std::int32_t i = 0; i < g.in_channels; ++i) {
            const std::ptrdiff_t quad = t * quads_per_tap + i / 4;
            weights[((quad * at.registers + o / 16) * 16 + o % 16) * 4 + i % 4] =
                w8[((at.channel + o) * taps + t) * g.in_channels + i];
          }
      weights += std::ptrdiff_t{at.registers} * 64 * g.quads();
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  static constexpr std::int32_t run_pixels = 4;

  /// Walks the panels: 2, 2, .. registers of 16 channels; an odd rest makes the last panel 3, or 1 if it is the only.
  struct panels {
    explicit panels(const conv_geometry& g) noexcept
        : left(static_cast<std::int32_t>(packed_channels(g) / 16)), registers(width()) {}
    void next() noexcept {
      left -= registers;
      channel += registers * 16;
      registers = width();
    }
    std::int32_t width() const noexcept { return left == 3 ? 3 : left < 2 ? left : 2; }

    std::int32_t left;
    std::int32_t registers;
    std::int32_t channel = 0;
  };

  /// What all tiles of a panel share.
  struct panel {
    const std::int8_t* weights;
    const std::int32_t* offsets;
    std::int32_t quads;
    std::int32_t channel;  ///< the first one
    std::int32_t valid;    ///< channels to store, padding included
    std::ptrdiff_t x_step, y_step;
    const conv_epilogue* epilogue;
    requantize_impl::factors512 factors[3];  ///< u8 only
  };

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const auto grid = pixel_grid<T>::of(p.geometry, x, y, y_begin, y_end, run_pixels);
    const std::int32_t pad = sizeof(T) == 1 ? e.pad_channels : 0;
    panel part;
    part.weights = p.weights;
    part.offsets = p.offsets;
    part.quads = p.geometry.quads();
    part.x_step = grid.x_step;
    part.y_step = grid.y_step;
    part.epilogue = &e;
    for (panels at(p.geometry); at.registers != 0; at.next()) {
      const std::int32_t rest = p.geometry.out_channels + pad - at.channel;
      part.valid = rest < at.registers * 16 ? rest : at.registers * 16;
      part.channel = at.channel;
      if constexpr (sizeof(T) == 1)
        for (std::int32_t r = 0, o = at.channel; r < at.registers; ++r, o += 16)
          part.factors[r] = requantize_impl::factors512::of(e.multiplier + o, e.shift + o);
      if (at.registers == 1) tiles<4, 1>(part, grid);
      else if (at.registers == 2) tiles<3, 2>(part, grid);
      else tiles<2, 3>(part, grid);
      part.weights += std::ptrdiff_t{at.registers} * 64 * part.quads;
    }
  }

  /// All outputs of a panel. The last run of a line starts early rather than being short: equal bits twice.
  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void tiles(const panel& p, const pixel_grid<T>& grid) noexcept {
    pixel_run<T> runs[Runs];
    std::int32_t held = 0;
    for (std::int32_t line = 0; line < grid.lines; ++line) {
      const std::uint8_t* const x = grid.x + line * grid.x_line;
      T* const y = grid.y + line * grid.y_line + p.channel;
      if (grid.length < run_pixels) {
        for (std::int32_t i = 0; i < grid.length; ++i)
          pixel<Registers>(p, pixel_run<T>{x + i * grid.x_step, y + i * grid.y_step});
        continue;
      }
      for (std::int32_t i = 0; i < grid.length; i += run_pixels) {
        const std::int32_t start = i + run_pixels <= grid.length ? i : grid.length - run_pixels;
        runs[held++] = {x + start * grid.x_step, y + start * grid.y_step};
        if (held < Runs) continue;
        tile<Runs, Registers>(p, runs);
        held = 0;
      }
    }
    if (held == 1) tile<1, Registers>(p, runs);
    if constexpr (Runs > 2)
      if (held == 2) tile<2, Registers>(p, runs);
    if constexpr (Runs > 3)
      if (held == 3) tile<3, Registers>(p, runs);
  }

  template <std::int32_t Runs, std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void tile(const panel& p, const pixel_run<T>* runs) noexcept {
    alignas(64) std::int32_t acc[Runs * run_pixels * Registers * 16];
    sums<Registers>(p, runs, acc, std::make_integer_sequence<std::int32_t, Runs * run_pixels>{},
                    std::make_integer_sequence<std::int32_t, Runs * run_pixels * Registers>{});
    store<Registers, Runs * run_pixels>(p, runs, acc);
  }

  /// acc (pixels, Registers * 16) = bias + the dot products of `Pixel`s.. in runs of four.
  template <std::int32_t Registers, class T, std::int32_t... Pixel, std::int32_t... Cell>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void sums(const panel& p, const pixel_run<T>* runs, std::int32_t* acc,
                                                         std::integer_sequence<std::int32_t, Pixel...>,
                                                         std::integer_sequence<std::int32_t, Cell...>) noexcept {
    __m512i c[sizeof...(Cell)];
    ((c[Cell] = _mm512_loadu_si512(p.epilogue->bias + p.channel + Cell % Registers * 16)), ...);
    const std::uint8_t* const x[] = {runs[Pixel / run_pixels].x...};
    const std::ptrdiff_t step = p.x_step, step3 = 3 * p.x_step;
    const std::int8_t* w = p.weights;
    const std::int32_t* const last = p.offsets + p.quads;
    for (const std::int32_t* offset = p.offsets; offset != last; ++offset, w += Registers * 64) {
      const std::ptrdiff_t at = *offset;
      __m512i b[Registers];
      for (std::int32_t r = 0; r < Registers; ++r) b[r] = _mm512_load_si512(w + r * 64);
      (dots<Registers>(c + Pixel * Registers, quad(x[Pixel] + at + (Pixel % 4 == 3 ? step3 : Pixel % 4 * step)), b),
       ...);
    }
    ((_mm512_store_si512(acc + Cell * 16, c[Cell])), ...);
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

  /// One pixel: vpdpbusd takes five cycles, so four partial sums per register keep two ports busy.
  template <std::int32_t Registers, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pixel(const panel& p, const pixel_run<T>& at) noexcept {
    __m512i c[4 * Registers];
    for (std::int32_t i = 0; i < 4 * Registers; ++i) c[i] = _mm512_setzero_si512();
    const std::int8_t* w = p.weights;
    std::int32_t q = 0;
    for (; q + 4 <= p.quads; q += 4, w += 4 * Registers * 64) {
      chain<Registers>(c, at.x + p.offsets[q], w);
      chain<Registers>(c + Registers, at.x + p.offsets[q + 1], w + Registers * 64);
      chain<Registers>(c + 2 * Registers, at.x + p.offsets[q + 2], w + 2 * Registers * 64);
      chain<Registers>(c + 3 * Registers, at.x + p.offsets[q + 3], w + 3 * Registers * 64);
    }
    for (; q < p.quads; ++q, w += Registers * 64) chain<Registers>(c, at.x + p.offsets[q], w);
    alignas(64) std::int32_t acc[Registers * 16];
    for (std::int32_t r = 0; r < Registers; ++r) {
      const __m512i low = _mm512_add_epi32(c[r], c[Registers + r]);
      const __m512i high = _mm512_add_epi32(c[2 * Registers + r], c[3 * Registers + r]);
      const __m512i sum = _mm512_add_epi32(low, high);
      _mm512_store_si512(acc + r * 16,
                         _mm512_add_epi32(sum, _mm512_loadu_si512(p.epilogue->bias + p.channel + r * 16)));
    }
    store<Registers, 1>(p, &at, acc);
  }

  template <std::int32_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void chain(__m512i* c, const std::uint8_t* x,
                                                          const std::int8_t* w) noexcept {
    __m512i b[Registers];
    for (std::int32_t r = 0; r < Registers; ++r) b[r] = _mm512_load_si512(w + r * 64);
    dots<Registers>(c, quad(x), b);
  }

  /// u8: 64 bytes at a time, that is 4 pixels of 16 channels, 2 of 32, or 1 of 48.
  template <std::int32_t Registers, std::int32_t Pixels>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store(const panel& p, const pixel_run<std::uint8_t>* runs,
                                                          const std::int32_t* acc) noexcept {
    constexpr std::int32_t together = Pixels == 1 ? 1 : 4 / Registers;
    for (std::int32_t i = 0; i < Pixels; i += together) {
      const std::int32_t* const a = acc + i * Registers * 16;
      const __m512i bytes = requantize_impl::x86_avx512vnni::narrow(
          scaled<0, together, Registers>(p, a), scaled<1, together, Registers>(p, a),
          scaled<2, together, Registers>(p, a), scaled<3, together, Registers>(p, a), *p.epilogue);
      std::uint8_t* const y = runs[i / run_pixels].y + i % run_pixels * p.y_step;
      const std::uint64_t mask = ~std::uint64_t{0} >> (64 - p.valid);
      if constexpr (together == 1) {
        _mm512_mask_storeu_epi8(y, mask, bytes);
      } else if constexpr (together == 2) {
        const auto m = static_cast<__mmask32>(mask);
        _mm256_mask_storeu_epi8(y, m, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 0));
        _mm256_mask_storeu_epi8(y + p.y_step, m, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 1));
      } else {
        const auto m = static_cast<__mmask16>(mask);
        _mm_mask_storeu_epi8(y, m, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 0));
        _mm_mask_storeu_epi8(y + p.y_step, m, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 1));
        _mm_mask_storeu_epi8(y + 2 * p.y_step, m, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 2));
        _mm_mask_storeu_epi8(y + 3 * p.y_step, m, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 3));
      }
    }
  }

  /// Register `Index` of `Pixels` pixels, scaled; zero behind the last.
  template <std::int32_t Index, std::int32_t Pixels, std::int32_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i scaled(const panel& p, const std::int32_t* acc) noexcept {
    if constexpr (Index >= Pixels * Registers) return _mm512_setzero_si512();
    else
      return requantize_impl::x86_avx512vnni::scale(_mm512_load_si512(acc + Index * 16), p.factors[Index % Registers]);
  }

  template <std::int32_t Registers, std::int32_t Pixels>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void store(const panel& p, const pixel_run<float>* runs, const std::int32_t* acc) noexcept {
    const __m512 floor = _mm512_set1_ps(p.epilogue->relu ? 0.0f : -__builtin_inff());
    for (std::int32_t i = 0; i < Pixels; ++i) {
      float* const y = runs[i / run_pixels].y + i % run_pixels * p.y_step;
      for (std::int32_t r = 0; r < Registers; ++r) {
        const std::int32_t rest = p.valid - r * 16;
        const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xFFFFu : (1u << (rest > 0 ? rest : 0)) - 1);
        const __m512 sum = _mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_load_si512(acc + (i * Registers + r) * 16));
        const __m512 v = _mm512_mul_ps(sum, _mm512_loadu_ps(p.epilogue->factor + p.channel + r * 16));
        _mm512_mask_storeu_ps(y + r * 16, mask, _mm512_maskz_max_ps(0xFFFF, v, floor));
      }
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
