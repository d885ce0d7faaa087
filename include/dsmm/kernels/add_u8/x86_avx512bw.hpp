// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/add_u8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::add_u8_impl {

/// Pairs of a and b as s16, so that vpmaddwd is a * Ma + b * Mb: once with the lower 15 bits of the factors and once
/// with the upper ones. 64 sums at a time; unpacking and packing leave the bytes in order.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows(const tensor_view<const std::uint8_t>& a, const tensor_view<const std::uint8_t>& b,
                   const tensor_view<std::uint8_t>& y, const add_factors& factors, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
    if (!factors.narrow()) return generic::rows(a, b, y, factors, y_begin, y_end);
    const constants k = constants_of(factors);
    eltwise_impl::for_runs(a, b, y, y_begin, y_end,
                           [&](const std::uint8_t* pa, const std::uint8_t* pb, std::uint8_t* py, std::ptrdiff_t n) {
                             run(pa, pb, py, n, k);
                             pad_channels(y, py, factors.zero_y);
                           });
  }

private:
  struct constants {
    __m512i lower, upper;  ///< s16 pairs: of Ma, of Mb
    __m512i offset;        ///< s32
    __m512i zero;          ///< s16
    __m512i low;           ///< u8
  };

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static constants constants_of(const add_factors& f) noexcept {
    return {_mm512_set1_epi32((f.a & 0x7FFF) | (f.b & 0x7FFF) << 16), _mm512_set1_epi32(f.a >> 15 | (f.b >> 15) << 16),
            _mm512_set1_epi32(static_cast<std::int32_t>(f.offset())), _mm512_set1_epi16(static_cast<short>(f.zero_y)),
            _mm512_set1_epi8(static_cast<char>(f.low))};
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y, std::ptrdiff_t n,
                  const constants& k) noexcept {
    std::ptrdiff_t i = 0;
    for (; i + 64 <= n; i += 64)
      _mm512_storeu_si512(y + i, sums(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i), k));
    const __mmask64 rest = (__mmask64{1} << (n - i)) - 1;
    if (rest == 0) return;
    _mm512_mask_storeu_epi8(y + i, rest,
                            sums(_mm512_maskz_loadu_epi8(rest, a + i), _mm512_maskz_loadu_epi8(rest, b + i), k));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i sums(__m512i a, __m512i b, const constants& k) noexcept {
    const __mmask64 all = ~__mmask64{0};
    const __m512i first = _mm512_maskz_unpacklo_epi8(all, a, b), second = _mm512_maskz_unpackhi_epi8(all, a, b);
    return _mm512_max_epu8(_mm512_packus_epi16(of_pairs(first, k), of_pairs(second, k)), k.low);
  }

  /// 32 pairs of bytes to 32 s16: saturation does not matter, 0 .. 255 follows.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i of_pairs(__m512i pairs, const constants& k) noexcept {
    const __mmask64 all = ~__mmask64{0};
    const __m512i zero = _mm512_setzero_si512();
    const __m512i words = _mm512_packs_epi32(scaled(_mm512_maskz_unpacklo_epi8(all, pairs, zero), k),
                                             scaled(_mm512_maskz_unpackhi_epi8(all, pairs, zero), k));
    return _mm512_adds_epi16(words, k.zero);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i scaled(__m512i pairs, const constants& k) noexcept {
    const __m512i upper = _mm512_maskz_slli_epi32(0xFFFF, _mm512_madd_epi16(pairs, k.upper), 15);
    const __m512i lower = _mm512_add_epi32(_mm512_madd_epi16(pairs, k.lower), k.offset);
    return _mm512_maskz_srai_epi32(0xFFFF, _mm512_add_epi32(upper, lower), 20);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::add_u8_impl
