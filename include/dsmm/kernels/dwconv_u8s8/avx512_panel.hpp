// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// What all pixels of up to 64 channels share. Byte interleaving in 128-bit lanes leaves lane L of register r with
/// channels L * 16 + r * 4 .., so tables are laid out like that. Where 32 or 16 channels are left, 2 or 4 pixels share
/// a register: part q holds the pixel 2 * q to the right.
struct avx512_panel {
  using scaling = requantize_impl::scaling;
  using epilogue512 = requantize_impl::x86_avx512bw;

  const std::int8_t* weights;
  const std::int32_t* offsets;
  const conv_epilogue* epilogue;
  std::int32_t quads;
  std::int32_t channel;           ///< the first one
  std::int32_t rest;              ///< channels from there on
  std::uint64_t readable, valid;  ///< masks of channels to load and, padding included, to store
  scaling how;
  requantize_impl::clamp512 clamp;  ///< u8 only
  __m512i bias[4];
  requantize_impl::factors512 factors[4];  ///< u8 only

  static constexpr std::int32_t parts(std::ptrdiff_t channels) noexcept {
    return channels > 32 ? 1 : channels > 16 ? 2 : 4;
  }

  /// Moves on to the channels from `first` on.
  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  void set_channels(std::int32_t first, std::int32_t channels) noexcept {
    const std::int32_t pad = sizeof(T) == 1 ? epilogue->pad_channels : 0;
    channel = first;
    rest = channels - first;
    readable = first_bits(rest);
    valid = first_bits(rest + pad);
    interleaved(epilogue->bias, bias);
    if constexpr (sizeof(T) != 1) {
      how = scaling::coarse;
    } else {
      __m512i multiplier[4], shift[4];
      interleaved(epilogue->multiplier, multiplier);
      interleaved(epilogue->shift, shift);
      bool coarse = false;
      for (std::int32_t r = 0; r < 4; ++r) {
        factors[r] = requantize_impl::factors512::of(multiplier[r], shift[r]);
        coarse |= factors[r].coarse;
      }
      how = requantize_impl::scaling_of(*epilogue, coarse);
    }
  }

  /// f(std::integral_constant<std::int32_t, how many parts>) if rows have so many pixels.
  template <class F>
  void with_parts(std::int32_t width, F&& f) const noexcept {
    const std::int32_t most = parts(rest);
    if (most == 4 && width >= 4) f(std::integral_constant<std::int32_t, 4>{});
    else if (most >= 2 && width >= 2) f(std::integral_constant<std::int32_t, 2>{});
    else f(std::integral_constant<std::int32_t, 1>{});
  }

  /// f(std::integral_constant<scaling, how>).
  template <class F>
  void with_scaling(F&& f) const noexcept {
    switch (how) {
      case scaling::float_unclamped: return f(std::integral_constant<scaling, scaling::float_unclamped>{});
      case scaling::by_float: return f(std::integral_constant<scaling, scaling::by_float>{});
      case scaling::fine: return f(std::integral_constant<scaling, scaling::fine>{});
      case scaling::coarse: return f(std::integral_constant<scaling, scaling::coarse>{});
    }
  }

  /// Part q holds the pixel at x + q * step. Bytes that a mask leaves out are not touched, so that a part can be loaded
  /// at its place.
  template <std::int32_t Parts>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) inline __m512i pixels(const std::uint8_t* x, std::ptrdiff_t step) const noexcept {
    constexpr std::int32_t width = 64 / Parts;
    __m512i v = _mm512_maskz_loadu_epi8(readable, x);
    for (std::int32_t q = 1; q < Parts; ++q)
      v = _mm512_mask_loadu_epi8(v, readable << (q * width), x + q * (step - width));
    return v;
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline void interleave(__m512i a, __m512i b, __m512i c, __m512i d,
                                                               __m512i* out) noexcept {
    interleave_pairs(_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b), _mm512_unpacklo_epi8(c, d),
                     _mm512_unpackhi_epi8(c, d), out);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline void interleave_pairs(__m512i ab_low, __m512i ab_high, __m512i cd_low,
                                                                     __m512i cd_high, __m512i* out) noexcept {
    out[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
    out[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
    out[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
    out[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
  }

  /// A sum as store() wants it: scaled, or, for f32, as it is.
  template <scaling How, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) inline __m512i finished(__m512i sum, std::int32_t r) const noexcept {
    if constexpr (sizeof(T) == 1) return epilogue512::scale<How>(sum, factors[r], clamp);
    else return sum;
  }

  /// Part q goes to y + q * step.
  template <scaling How, std::int32_t Parts>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) inline void store(std::uint8_t* y, std::ptrdiff_t step,
                                                   const __m512i* s) const noexcept {
    const __m512i bytes = epilogue512::narrow_lanes<How>(s[0], s[1], s[2], s[3], clamp);
    if constexpr (Parts == 1) {
      _mm512_mask_storeu_epi8(y, valid, bytes);
    } else if constexpr (Parts == 2) {
      const auto mask = static_cast<__mmask32>(valid);
      _mm256_mask_storeu_epi8(y, mask, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 0));
      _mm256_mask_storeu_epi8(y + step, mask, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 1));
    } else {
      const auto mask = static_cast<__mmask16>(valid);
      _mm_mask_storeu_epi8(y, mask, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 0));
      _mm_mask_storeu_epi8(y + step, mask, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 1));
      _mm_mask_storeu_epi8(y + 2 * step, mask, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 2));
      _mm_mask_storeu_epi8(y + 3 * step, mask, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 3));
    }
  }

  template <scaling How, std::int32_t Parts>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) inline void store(float* y, std::ptrdiff_t step, const __m512i* s) const noexcept {
    const __m512 floor = _mm512_set1_ps(epilogue->relu ? 0.0f : -__builtin_inff());
    __m512i sums[4] = {s[0], s[1], s[2], s[3]};
    transpose(sums);
    constexpr std::int32_t of_part = 4 / Parts;  // registers of 16 channels
    for (std::int32_t r = 0; r < 4; ++r) {
      const std::int32_t o = r % of_part * 16;
      if (o >= rest) continue;
      float* const to = y + r / of_part * step + o;
      const auto mask = static_cast<__mmask16>(valid >> o);
      if (epilogue->sums) {
        _mm512_mask_storeu_epi32(to, mask, sums[r]);
        continue;
      }
      const __m512 factor = _mm512_loadu_ps(epilogue->factor + channel + o);
      const __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, sums[r]), factor);
      _mm512_mask_storeu_ps(to, mask, _mm512_maskz_max_ps(0xFFFF, v, floor));
    }
  }

private:
  static std::uint64_t first_bits(std::int32_t n) noexcept {
    return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
  }

  /// The channels of a table that is readable to a multiple of 16, in the order of the registers, for every part.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  void interleaved(const std::int32_t* table, __m512i* out) const noexcept {
    const std::int32_t of_part = 4 / parts(rest);
    for (std::int32_t r = 0; r < 4; ++r) {
      const std::int32_t o = r % of_part * 16;
      out[r] = o < rest ? _mm512_loadu_si512(table + channel + o) : _mm512_setzero_si512();
    }
    transpose(out);
  }

  /// 128-bit lane L of register r becomes lane r of register L.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
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
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
