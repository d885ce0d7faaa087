// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"
#include "dsmm/kernels/requantize/x86_avx2.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// The bytes of two taps side by side, widened to s16: vpmaddwd adds their products, 8 channels to a register.
/// Weights: (panels of 16 channels, pairs of taps, 16, 2) as s16.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return packed_channels(g) * static_cast<std::size_t>(dw_taps(g)) * sizeof(std::int16_t);
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const words = reinterpret_cast<std::int16_t*>(memory);
    p.weights = reinterpret_cast<const std::int8_t*>(memory);
    const std::ptrdiff_t taps = std::ptrdiff_t{g.kernel_h} * g.kernel_w, pairs = dw_taps(g) / 2;
    std::memset(memory, 0, pack_bytes(g, 0));
    for (std::ptrdiff_t c = 0; c < g.out_channels; ++c)
      for (std::ptrdiff_t t = 0; t < taps; ++t)
        words[((c / 16 * pairs + t / 2) * 16 + c % 16) * 2 + t % 2] = from.w8[c * taps + t];
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
  /// What all pixels of 16 channels share.
  struct panel {
    const std::int16_t* weights;
    const std::int32_t* offsets;
    std::int32_t pairs;
    std::int32_t channel;  ///< the first one
    bool whole;            ///< whether all 16 are there
    __m128i readable;      ///< s32: which fours of channels a pixel has in memory, padding included
    std::size_t valid;     ///< channels to store, padding included
    const conv_epilogue* epilogue;
    requantize_impl::factors256 factors[2];  ///< u8 only
  };

  template <class T>
  DSMM_TARGET("avx2")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const conv_geometry& g = p.geometry;
    panel part;
    part.weights = reinterpret_cast<const std::int16_t*>(p.weights);
    part.offsets = p.offsets;
    part.pairs = dw_taps(g) / 2;
    part.epilogue = &e;
    for (std::int32_t c = 0; c < g.out_channels; c += 16, part.weights += std::ptrdiff_t{part.pairs} * 32) {
      const std::int32_t rest = g.out_channels - c, stored = rest + (sizeof(T) == 1 ? e.pad_channels : 0);
      part.channel = c;
      part.whole = rest >= 16;
      part.readable = _mm_cmpgt_epi32(_mm_set1_epi32((rest + 3) / 4), _mm_setr_epi32(0, 1, 2, 3));
      part.valid = static_cast<std::size_t>(stored < 16 ? stored : 16);
      if constexpr (sizeof(T) == 1)
        for (std::int32_t r = 0; r < 2; ++r)
          part.factors[r] = requantize_impl::factors256::of(e.multiplier + c + r * 8, e.shift + c + r * 8);
      for (std::int32_t oy = y_begin; oy < y_end; ++oy)
        for (std::int32_t ox = 0; ox < y.shape.w; ++ox)
          pixel(part, x.at(std::ptrdiff_t{oy} * g.stride_h, std::ptrdiff_t{ox} * g.stride_w) + c, y.at(oy, ox) + c);
    }
  }

  template <class T>
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void pixel(const panel& p, const std::uint8_t* x, T* y) noexcept {
    __m256i low = requantize_impl::factors256::load(p.epilogue->bias + p.channel);
    __m256i high = requantize_impl::factors256::load(p.epilogue->bias + p.channel + 8);
    const std::int16_t* w = p.weights;
    for (std::int32_t t = 0; t < p.pairs; ++t, w += 32) {
      const __m128i a = channels(p, x + p.offsets[2 * t]), b = channels(p, x + p.offsets[2 * t + 1]);
      const __m256i ab_low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
      const __m256i ab_high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
      const auto* const words = reinterpret_cast<const __m256i*>(w);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(ab_low, _mm256_load_si256(words)));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(ab_high, _mm256_load_si256(words + 1)));
    }
    store(p, y, low, high);
  }

  /// 16 channels of a tap; those that are not there have weight 0. By a copy of so many bytes it takes ten times as
  /// long.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m128i channels(const panel& p, const std::uint8_t* x) noexcept {
    if (p.whole) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
    return _mm_maskload_epi32(reinterpret_cast<const int*>(x), p.readable);
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void store(const panel& p, std::uint8_t* y, __m256i low,
                                                          __m256i high) noexcept {
    using scaled = requantize_impl::x86_avx2;
    const __m128i bytes =
        scaled::narrow(scaled::scale(low, p.factors[0]), scaled::scale(high, p.factors[1]), *p.epilogue);
    if (p.valid == 16) _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
    else std::memcpy(y, &bytes, p.valid);
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void store(const panel& p, float* y, __m256i low,
                                                          __m256i high) noexcept {
    const __m256 floor = _mm256_set1_ps(p.epilogue->relu ? 0.0f : -__builtin_inff());
    alignas(32) float v[16];
    if (p.epilogue->sums) {
      _mm256_store_ps(v, _mm256_castsi256_ps(low));
      _mm256_store_ps(v + 8, _mm256_castsi256_ps(high));
      std::memcpy(y, v, p.valid * sizeof *v);
      return;
    }
    const float* const factor = p.epilogue->factor + p.channel;
    _mm256_store_ps(v, _mm256_max_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(low), _mm256_loadu_ps(factor)), floor));
    _mm256_store_ps(v + 8, _mm256_max_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(high), _mm256_loadu_ps(factor + 8)), floor));
    std::memcpy(y, v, p.valid * sizeof *v);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
