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

/// 64 channels of four taps are interleaved byte by byte, so that a vpdpbusd lane holds four taps of one channel.
/// Register r then has channels 16 * L + 4 * r .. + 3 in its 128-bit lane L, the order in which narrowing back to bytes
/// restores the natural one. Weights: (panels of 64 channels, quads of taps, 4 registers, 16 lanes, 4).
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return round_up(static_cast<std::size_t>(g.out_channels), 64) * static_cast<std::size_t>(dw_taps(g));
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const weights = reinterpret_cast<std::int8_t*>(memory);
    p.weights = weights;
    const std::ptrdiff_t taps = std::ptrdiff_t{g.kernel_h} * g.kernel_w, quads = dw_taps(g) / 4;
    std::memset(memory, 0, pack_bytes(g, 0));
    for (std::ptrdiff_t c = 0; c < g.out_channels; ++c)
      for (std::ptrdiff_t t = 0; t < taps; ++t) {
        const std::ptrdiff_t in_register = c % 16 / 4, lane = c % 64 / 16 * 4 + c % 4;
        weights[(((c / 64 * quads + t / 4) * 4 + in_register) * 16 + lane) * 4 + t % 4] = from.w8[c * taps + t];
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
  /// What all pixels of 64 channels share.
  struct panel {
    const std::int8_t* weights;
    const std::int32_t* offsets;
    std::int32_t quads;
    std::int32_t channel;           ///< the first one
    std::int32_t rest;              ///< channels from there on
    std::uint64_t readable, valid;  ///< masks of channels to load and, padding included, to store
    const conv_epilogue* epilogue;
    __m512i bias[4];
    requantize_impl::factors512 factors[4];  ///< u8 only
  };

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const conv_geometry& g = p.geometry;
    panel part;
    part.weights = p.weights;
    part.offsets = p.offsets;
    part.quads = dw_taps(g) / 4;
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
      }
      for (std::int32_t oy = y_begin; oy < y_end; ++oy)
        for (std::int32_t ox = 0; ox < y.shape.w; ++ox)
          pixel(part, x.at(std::ptrdiff_t{oy} * g.stride_h, std::ptrdiff_t{ox} * g.stride_w) + c, y.at(oy, ox) + c);
    }
  }

  static std::uint64_t first_bits(std::int32_t n) noexcept {
    return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
  }

  /// 64 values of a table that is readable to a multiple of 16, in the order of the registers.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void interleaved(const panel& p, const std::int32_t* table, __m512i* out) noexcept {
    for (std::int32_t r = 0; r < 4; ++r)
      out[r] = r * 16 < p.rest ? _mm512_loadu_si512(table + p.channel + r * 16) : _mm512_setzero_si512();
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
    __m512i s0 = p.bias[0], s1 = p.bias[1], s2 = p.bias[2], s3 = p.bias[3];
    const std::int8_t* w = p.weights;
    for (const std::int32_t *at = p.offsets, *const last = at + 4 * p.quads; at != last; at += 4, w += 256) {
      const __m512i a = channels(p, x + at[0]), b = channels(p, x + at[1]);
      const __m512i c = channels(p, x + at[2]), d = channels(p, x + at[3]);
      const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
      const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
      s0 = _mm512_dpbusd_epi32(s0, _mm512_unpacklo_epi16(ab_low, cd_low), _mm512_load_si512(w));
      s1 = _mm512_dpbusd_epi32(s1, _mm512_unpackhi_epi16(ab_low, cd_low), _mm512_load_si512(w + 64));
      s2 = _mm512_dpbusd_epi32(s2, _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_load_si512(w + 128));
      s3 = _mm512_dpbusd_epi32(s3, _mm512_unpackhi_epi16(ab_high, cd_high), _mm512_load_si512(w + 192));
    }
    store(p, y, s0, s1, s2, s3);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i channels(const panel& p, const std::uint8_t* x) noexcept {
    return _mm512_maskz_loadu_epi8(p.readable, x);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store(const panel& p, std::uint8_t* y, __m512i s0, __m512i s1,
                                                          __m512i s2, __m512i s3) noexcept {
    using scaled = requantize_impl::x86_avx512vnni;
    const __m512i bytes = scaled::narrow_lanes(scaled::scale(s0, p.factors[0]), scaled::scale(s1, p.factors[1]),
                                               scaled::scale(s2, p.factors[2]), scaled::scale(s3, p.factors[3]),
                                               requantize_impl::clamp512::of(*p.epilogue));
    _mm512_mask_storeu_epi8(y, p.valid, bytes);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void store(const panel& p, float* y, __m512i s0, __m512i s1, __m512i s2,
                                                          __m512i s3) noexcept {
    const __m512 floor = _mm512_set1_ps(p.epilogue->relu ? 0.0f : -__builtin_inff());
    __m512i sums[4] = {s0, s1, s2, s3};
    transpose(sums);
    for (std::int32_t r = 0; r < 4 && r * 16 < p.rest; ++r) {
      const __m512 factor = _mm512_loadu_ps(p.epilogue->factor + p.channel + r * 16);
      const __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, sums[r]), factor);
      _mm512_mask_storeu_ps(y + r * 16, static_cast<__mmask16>(p.valid >> (r * 16)),
                            _mm512_maskz_max_ps(0xFFFF, v, floor));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
