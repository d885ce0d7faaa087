// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/mul_u8/generic.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"

namespace dsmm::inline DSMM_ABI::kernels::mul_u8_impl {

/// Up to 64 products at a time, in registers of 16; a second operand of one pixel is turned into factors once. vpmaddwd
/// is the product of two s16 where one of them has zeros in its upper half.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  static void rows(const tensor_view<const std::uint8_t>& a, const tensor_view<const std::uint8_t>& b,
                   const tensor_view<std::uint8_t>& y, const mul_factors& factors, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
    if (factors.factor.shift < 33) run<requantize_impl::scaling::coarse>(a, b, y, factors, y_begin, y_end);
    else run<requantize_impl::scaling::fine>(a, b, y, factors, y_begin, y_end);
  }

private:
  using scaling = requantize_impl::scaling;
  using requantizer = requantize_impl::x86_avx512bw;

  struct constants {
    requantize_impl::factors512 factor;
    requantize_impl::clamp512 clamp;
    __m512i zero_a, zero_b;
  };

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static constants constants_of(const mul_factors& f) noexcept {
    conv_epilogue e;
    e.zero_point = f.zero_y;
    e.low = f.low;
    return {requantize_impl::factors512::of(_mm512_set1_epi32(f.factor.multiplier), _mm512_set1_epi32(f.factor.shift)),
            requantize_impl::clamp512::of(e), _mm512_set1_epi32(f.zero_a), _mm512_set1_epi32(f.zero_b)};
  }

  /// The first n of 64 lanes.
  static __mmask64 first(std::size_t n) noexcept { return n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1; }

  /// Sixteen bytes of `from`, group g, less zero.
  template <int Group>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i lanes(__m512i from, __m512i zero) noexcept {
    const __m128i bytes = _mm512_maskz_extracti32x4_epi32(0xF, from, Group);
    return _mm512_sub_epi32(_mm512_maskz_cvtepu8_epi32(0xFFFF, bytes), zero);
  }

  struct factor_block {
    __m512i b[4];
  };

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline factor_block factors_of(__m512i bytes, const constants& k) noexcept {
    const __m512i low = _mm512_set1_epi32(0xFFFF);
    return {{_mm512_and_si512(lanes<0>(bytes, k.zero_b), low), _mm512_and_si512(lanes<1>(bytes, k.zero_b), low),
             _mm512_and_si512(lanes<2>(bytes, k.zero_b), low), _mm512_and_si512(lanes<3>(bytes, k.zero_b), low)}};
  }

  template <scaling How, int Group>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i
      product(__m512i a, const factor_block& f, const constants& k) noexcept {
    return requantizer::scale<How>(_mm512_madd_epi16(lanes<Group>(a, k.zero_a), f.b[Group]), k.factor, k.clamp);
  }

  template <scaling How>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i
      products(__m512i a, const factor_block& f, const constants& k) noexcept {
    return requantizer::narrow<How>(product<How, 0>(a, f, k), product<How, 1>(a, f, k), product<How, 2>(a, f, k),
                                    product<How, 3>(a, f, k), k.clamp);
  }

  template <scaling How>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run(const tensor_view<const std::uint8_t>& a, const tensor_view<const std::uint8_t>& b,
                  const tensor_view<std::uint8_t>& y, const mul_factors& factors, std::int32_t y_begin,
                  std::int32_t y_end) noexcept {
    const constants k = constants_of(factors);
    const bool dense = eltwise_impl::dense(a) && eltwise_impl::dense(y);
    const std::int32_t channels = y.shape.c;
    const bool one_pixel = b.pixel == 0 && y.shape.w > 1;
    for (std::int32_t row = y_begin; row < y_end; ++row) {
      if (one_pixel && dense && 64 % channels == 0) repeated<How>(a.at(row, 0), b.data, y.at(row, 0), y.shape, k);
      else if (one_pixel) blocks<How>(a, b, y, row, k);
      else if (dense && eltwise_impl::dense(b))
        run_of<How>(a.at(row, 0), b.at(row, 0), y.at(row, 0), static_cast<std::size_t>(y.shape.w * channels), k);
      else
        for (std::int32_t col = 0; col < y.shape.w; ++col)
          run_of<How>(a.at(row, col), b.at(row, col), y.at(row, col), static_cast<std::size_t>(channels), k);
      for (std::int32_t col = 0; padding_of(y.shape, y.pixel) != 0 && col < y.shape.w; ++col)
        pad_channels(y, y.at(row, col), factors.zero_y);
    }
  }

  template <scaling How>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run_of(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y, std::size_t n,
                     const constants& k) noexcept {
    for (std::size_t i = 0; i < n; i += 64) {
      const __mmask64 some = first(n - i);
      const factor_block f = factors_of(_mm512_maskz_loadu_epi8(some, b + i), k);
      _mm512_mask_storeu_epi8(y + i, some, products<How>(_mm512_maskz_loadu_epi8(some, a + i), f, k));
    }
  }

  /// Whole pixels fill a register: the factors repeat.
  template <scaling How>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void repeated(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y, extents shape,
                       const constants& k) noexcept {
    alignas(64) std::uint8_t pattern[64];
    for (std::int32_t i = 0; i < 64; ++i) pattern[i] = b[i % shape.c];
    const factor_block f = factors_of(_mm512_load_si512(pattern), k);
    const auto n = static_cast<std::size_t>(shape.w * shape.c);
    for (std::size_t i = 0; i < n; i += 64) {
      const __mmask64 some = first(n - i);
      _mm512_mask_storeu_epi8(y + i, some, products<How>(_mm512_maskz_loadu_epi8(some, a + i), f, k));
    }
  }

  /// 64 channels of all pixels of a row, then the next 64.
  template <scaling How>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void blocks(const tensor_view<const std::uint8_t>& a, const tensor_view<const std::uint8_t>& b,
                     const tensor_view<std::uint8_t>& y, std::int32_t row, const constants& k) noexcept {
    for (std::int32_t c = 0; c < y.shape.c; c += 64) {
      const __mmask64 some = first(static_cast<std::size_t>(y.shape.c - c));
      const factor_block f = factors_of(_mm512_maskz_loadu_epi8(some, b.data + c), k);
      for (std::int32_t col = 0; col < y.shape.w; ++col)
        _mm512_mask_storeu_epi8(y.at(row, col) + c, some,
                                products<How>(_mm512_maskz_loadu_epi8(some, a.at(row, col) + c), f, k));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::mul_u8_impl
