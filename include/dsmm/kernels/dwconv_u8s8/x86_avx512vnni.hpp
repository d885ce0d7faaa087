// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"
#include "dsmm/kernels/requantize/x86_avx512vnni.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// Channels of four taps are interleaved byte by byte, 64 at a time, so that a vpdpbusd lane holds four taps of one
/// channel. Register r then has channels 16 * L + 4 * r .. + 3 in its 128-bit lane L, the order in which narrowing back
/// to bytes restores the natural one.
/// 3x3 of stride 1: four neighbours of a row serve two outputs, with weights (w0, w1, w2, 0) and (0, w0, w1, w2), and a
/// column of outputs walks down, so that each row is interleaved once instead of three times. A last panel of up to 32
/// channels holds another two outputs in its upper half. Weights: (panels of 64 channels, 3 rows, 2 outputs, 4
/// registers, 16 lanes, 4). Others: any four taps. Weights: (panels, quads of taps, 4 registers, 16 lanes, 4).
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return round_up(static_cast<std::size_t>(g.out_channels), 64) * static_cast<std::size_t>(panel_taps(g));
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const weights = reinterpret_cast<std::int8_t*>(memory);
    p.weights = weights;
    const std::ptrdiff_t taps = std::ptrdiff_t{g.kernel_h} * g.kernel_w, quads = panel_taps(g) / 4;
    std::memset(memory, 0, pack_bytes(g, 0));
    for (std::ptrdiff_t c = 0; c < g.out_channels; ++c)
      for (std::ptrdiff_t t = 0; t < taps; ++t) {
        const std::ptrdiff_t in_register = c % 16 / 4, lane = c % 64 / 16 * 4 + c % 4;
        const auto at = [&](std::ptrdiff_t quad) {
          return weights + (((c / 64 * quads + quad) * 4 + in_register) * 16 + lane) * 4;
        };
        const std::int8_t w = from.w8[c * taps + t];
        if (!pairs(g)) {
          at(t / 4)[t % 4] = w;
          continue;
        }
        std::int8_t *const left = at(t / 3 * 2) + t % 3, *const right = at(t / 3 * 2 + 1) + t % 3 + 1;
        *left = *right = w;
        if (is_narrow(g.out_channels - c / 64 * 64)) left[32] = right[32] = w;
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
  /// Whether outputs are computed in pairs.
  static bool pairs(const conv_geometry& g) noexcept {
    return g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 && g.stride_w == 1 && g.dilation_h == 1 &&
           g.dilation_w == 1;
  }
  /// Whether so many channels fit half a register.
  static constexpr bool is_narrow(std::ptrdiff_t channels) noexcept { return channels <= 32; }
  static std::int32_t panel_taps(const conv_geometry& g) noexcept { return pairs(g) ? 24 : dw_taps(g); }

  /// What all pixels of 64 channels share.
  struct panel {
    const std::int8_t* weights;
    const std::int32_t* offsets;
    std::int32_t quads;
    std::int32_t channel;           ///< the first one
    std::int32_t rest;              ///< channels from there on
    std::uint64_t readable, valid;  ///< masks of channels to load and, padding included, to store
    bool coarse;                    ///< u8: whether any of the factors is
    const conv_epilogue* epilogue;
    __m512i bias[4];
    requantize_impl::factors512 factors[4];  ///< u8 only
    requantize_impl::clamp512 clamp;         ///< u8 only
  };

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const conv_geometry& g = p.geometry;
    panel part;
    part.weights = p.weights;
    part.offsets = p.offsets;
    part.quads = panel_taps(g) / 4;
    part.coarse = false;
    part.clamp = requantize_impl::clamp512::of(e);
    part.epilogue = &e;
    for (std::int32_t c = 0; c < g.out_channels; c += 64, part.weights += std::ptrdiff_t{part.quads} * 256) {
      part.channel = c;
      part.rest = g.out_channels - c;
      part.readable = first_bits(part.rest);
      part.valid = first_bits(part.rest + (sizeof(T) == 1 ? e.pad_channels : 0));
      interleaved(part, e.bias, part.bias);
      if constexpr (sizeof(T) == 1) {
        __m512i multiplier[4], shift[4];
        interleaved(part, e.multiplier, multiplier);
        interleaved(part, e.shift, shift);
        for (std::int32_t r = 0; r < 4; ++r) part.factors[r] = requantize_impl::factors512::of(multiplier[r], shift[r]);
        part.coarse =
            part.factors[0].coarse || part.factors[1].coarse || part.factors[2].coarse || part.factors[3].coarse;
      }
      if (pairs(g)) {
        if (is_narrow(part.rest) && y.shape.w >= 4) columns<true>(part, x, y, y_begin, y_end);
        else columns<false>(part, x, y, y_begin, y_end);
        continue;
      }
      for (std::int32_t oy = y_begin; oy < y_end; ++oy)
        for (std::int32_t ox = 0; ox < y.shape.w; ++ox)
          pixel(part, x.at(std::ptrdiff_t{oy} * g.stride_h, std::ptrdiff_t{ox} * g.stride_w) + c, y.at(oy, ox) + c);
    }
  }

  /// Rows [y_begin, y_end) of a panel, two columns at a time, or four; the last ones start early where the width is no
  /// multiple of that.
  template <bool Narrow, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void columns(const panel& p, const conv_input& x, const tensor_view<T>& y, std::int32_t y_begin,
                      std::int32_t y_end) noexcept {
    if (y_begin >= y_end) return;
    if (p.coarse) columns_of<Narrow, true>(p, x, y, y_begin, y_end);
    else columns_of<Narrow, false>(p, x, y, y_begin, y_end);
  }

  template <bool Narrow, bool Coarse, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void columns_of(const panel& p, const conv_input& x, const tensor_view<T>& y, std::int32_t y_begin,
                         std::int32_t y_end) noexcept {
    constexpr std::int32_t step = Narrow ? 4 : 2;
    const bool alone = y.shape.w == 1;
    for (std::int32_t ox = 0; ox < y.shape.w; ox += step) {
      const std::int32_t first = ox + step <= y.shape.w || alone ? ox : y.shape.w - step;
      const std::uint8_t* in = x.at(y_begin, first) + p.channel;
      __m512i a[4], b[4], c[4];
      interleave_row<Narrow>(p, in, x.pixel, alone, a);
      interleave_row<Narrow>(p, in + x.row, x.pixel, alone, b);
      in += 2 * x.row;
      T* out = y.at(y_begin, first) + p.channel;
      for (std::int32_t oy = y_begin; oy < y_end; ++oy, in += x.row, out += y.row) {
        interleave_row<Narrow>(p, in, x.pixel, alone, c);
        pair<Narrow, Coarse>(p, a, b, c, out, alone ? 0 : y.pixel);
        for (std::int32_t r = 0; r < 4; ++r) a[r] = b[r], b[r] = c[r];
      }
    }
  }

  /// Two outputs from three interleaved rows, the second at out + pixel unless that is 0; twice as many if narrow. The
  /// weights of a row are 512 bytes behind those of the one before, those of the second output 256 behind those of the
  /// first.
  template <bool Narrow, bool Coarse, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void pair(const panel& p, const __m512i* a, const __m512i* b,
                                                         const __m512i* c, T* out, std::ptrdiff_t pixel) noexcept {
    __m512i s[2][4];
    for (std::int32_t r = 0; r < 4; ++r)
      for (std::int32_t i = 0; i < 2; ++i) {
        const std::int8_t* const w = p.weights + i * 256 + r * 64;
        __m512i sum = _mm512_dpbusd_epi32(p.bias[r], a[r], _mm512_load_si512(w));
        sum = _mm512_dpbusd_epi32(sum, b[r], _mm512_load_si512(w + 512));
        sum = _mm512_dpbusd_epi32(sum, c[r], _mm512_load_si512(w + 1024));
        if constexpr (sizeof(T) == 1) s[i][r] = requantize_impl::x86_avx512vnni::scale<Coarse>(sum, p.factors[r]);
        else s[i][r] = sum;
      }
    if constexpr (Narrow) {
      store_halves(p, out, out + 2 * pixel, s[0]);
      store_halves(p, out + pixel, out + 3 * pixel, s[1]);
    } else {
      store_scaled(p, out, s[0]);
      if (pixel != 0) store_scaled(p, out + pixel, s[1]);
    }
  }

  /// Four neighbours, or three and nothing where there is no second output. Narrow: and those two pixels to the right.
  template <bool Narrow>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void interleave_row(const panel& p, const std::uint8_t* x,
                                                                   std::ptrdiff_t pixel, bool three,
                                                                   __m512i* out) noexcept {
    if constexpr (Narrow) {
      interleave(halves(p, x, pixel), halves(p, x + pixel, pixel), halves(p, x + 2 * pixel, pixel),
                 halves(p, x + 3 * pixel, pixel), out);
    } else {
      interleave(channels(p, x), channels(p, x + pixel), channels(p, x + 2 * pixel),
                 channels(p, x + (three ? 2 : 3) * pixel), out);
    }
  }

  /// Up to 32 channels of a pixel, and of the second one to the right.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i halves(const panel& p, const std::uint8_t* x,
                                                              std::ptrdiff_t pixel) noexcept {
    const __m256i right = _mm256_maskz_loadu_epi8(static_cast<__mmask32>(p.readable), x + 2 * pixel);
    return _mm512_maskz_inserti64x4(0xFF, channels(p, x), right, 1);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void interleave(__m512i a, __m512i b, __m512i c, __m512i d,
                                                               __m512i* out) noexcept {
    const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    out[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
    out[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
    out[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
    out[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
  }

  static std::uint64_t first_bits(std::int32_t n) noexcept {
    return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
  }

  /// 64 values of a table that is readable to a multiple of 16, in the order of the registers.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void interleaved(const panel& p, const std::int32_t* table, __m512i* out) noexcept {
    for (std::int32_t r = 0; r < 4; ++r) {
      const std::int32_t o = is_narrow(p.rest) ? r % 2 * 16 : r * 16;
      out[r] = o < p.rest ? _mm512_loadu_si512(table + p.channel + o) : _mm512_setzero_si512();
    }
    transpose(out);
  }

  /// 128-bit lane L of register r becomes lane r of register L.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void transpose(__m512i* v) noexcept {
    const __m512i a = _mm512_maskz_shuffle_i32x4(0xFFFF, v[0], v[1], 0x44);
    const __m512i b = _mm512_maskz_shuffle_i32x4(0xFFFF, v[0], v[1], 0xEE);
    const __m512i c = _mm512_maskz_shuffle_i32x4(0xFFFF, v[2], v[3], 0x44);
    const __m512i d = _mm512_maskz_shuffle_i32x4(0xFFFF, v[2], v[3], 0xEE);
    v[0] = _mm512_maskz_shuffle_i32x4(0xFFFF, a, c, 0x88);
    v[1] = _mm512_maskz_shuffle_i32x4(0xFFFF, a, c, 0xDD);
    v[2] = _mm512_maskz_shuffle_i32x4(0xFFFF, b, d, 0x88);
    v[3] = _mm512_maskz_shuffle_i32x4(0xFFFF, b, d, 0xDD);
  }

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void pixel(const panel& p, const std::uint8_t* x, T* y) noexcept {
    __m512i s[4] = {p.bias[0], p.bias[1], p.bias[2], p.bias[3]};
    const std::int8_t* w = p.weights;
    for (const std::int32_t *at = p.offsets, *const last = at + 4 * p.quads; at != last; at += 4, w += 256) {
      __m512i v[4];
      interleave(channels(p, x + at[0]), channels(p, x + at[1]), channels(p, x + at[2]), channels(p, x + at[3]), v);
      for (std::int32_t r = 0; r < 4; ++r) s[r] = _mm512_dpbusd_epi32(s[r], v[r], _mm512_load_si512(w + r * 64));
    }
    if constexpr (sizeof(T) == 1)
      for (std::int32_t r = 0; r < 4; ++r) s[r] = requantize_impl::x86_avx512vnni::scale(s[r], p.factors[r]);
    store_scaled(p, y, s);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i channels(const panel& p, const std::uint8_t* x) noexcept {
    return _mm512_maskz_loadu_epi8(p.readable, x);
  }

  /// The lower half of scaled sums goes to y, the upper one to z.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store_halves(const panel& p, std::uint8_t* y, std::uint8_t* z,
                                                                 const __m512i* s) noexcept {
    const __m512i bytes = requantize_impl::x86_avx512vnni::narrow_lanes(s[0], s[1], s[2], s[3], p.clamp);
    const auto mask = static_cast<__mmask32>(p.valid);
    _mm256_mask_storeu_epi8(y, mask, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 0));
    _mm256_mask_storeu_epi8(z, mask, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 1));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store_halves(const panel& p, float* y, float* z,
                                                                 const __m512i* s) noexcept {
    __m512i sums[4] = {s[0], s[1], s[2], s[3]};
    transpose(sums);
    store_floats<2>(p, y, sums);
    store_floats<2>(p, z, sums + 2);
  }

  /// Sums that have been scaled, or, for f32, still are sums.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store_scaled(const panel& p, std::uint8_t* y,
                                                                 const __m512i* s) noexcept {
    _mm512_mask_storeu_epi8(y, p.valid, requantize_impl::x86_avx512vnni::narrow_lanes(s[0], s[1], s[2], s[3], p.clamp));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store_scaled(const panel& p, float* y, const __m512i* s) noexcept {
    __m512i sums[4] = {s[0], s[1], s[2], s[3]};
    transpose(sums);
    store_floats<4>(p, y, sums);
  }

  /// Sums of 16 channels each.
  template <std::int32_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store_floats(const panel& p, float* y,
                                                                 const __m512i* sums) noexcept {
    const __m512 floor = _mm512_set1_ps(p.epilogue->relu ? 0.0f : -__builtin_inff());
    for (std::int32_t r = 0; r < Registers && r * 16 < p.rest; ++r) {
      const __m512 factor = _mm512_loadu_ps(p.epilogue->factor + p.channel + r * 16);
      const __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, sums[r]), factor);
      _mm512_mask_storeu_ps(y + r * 16, static_cast<__mmask16>(p.valid >> (r * 16)),
                            _mm512_maskz_max_ps(0xFFFF, v, floor));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
