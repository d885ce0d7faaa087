// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/resize_u8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::resize_u8_impl {

/// 16 channels at a time: along W one vpmaddwd for 8 of them, along H top * 2^11 + (bottom - top) * weight, which is
/// below 2^30. The last register starts early rather than being short; fewer channels are the specification's.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  DSMM_TARGET("avx2,fma")
  static void rows(const tensor_view<const std::uint8_t>& x, const tensor_view<std::uint8_t>& y,
                   std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
    if (y.shape.c < 16) return generic::rows(x, y, zero_point, y_begin, y_end);
    taps columns[resize_impl::block];  // for_taps() cannot inline into code for another target
    for (std::int32_t first = 0; first < y.shape.w; first += resize_impl::block) {
      const std::int32_t count = std::min(resize_impl::block, y.shape.w - first);
      for (std::int32_t i = 0; i < count; ++i) columns[i] = resize_impl::tap_u8(first + i, x.shape.w, y.shape.w);
      for (std::int32_t oy = y_begin; oy < y_end; ++oy) {
        const taps row = resize_impl::tap_u8(oy, x.shape.h, y.shape.h);
        for (std::int32_t i = 0; i < count; ++i) {
          std::uint8_t* const to = y.at(oy, first + i);
          pixel(corners_of(x, row, columns[i]), row, columns[i], to, y.shape.c);
          pad_channels(y, to, zero_point);
        }
      }
    }
  }

private:
  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline void pixel(const corners& x, const taps& row,
                                                                          const taps& column, std::uint8_t* y,
                                                                          std::int32_t count) noexcept {
    const __m256i across = _mm256_set1_epi32((2048 - column.weight) | column.weight << 16);
    const __m256i down = _mm256_set1_epi32(row.weight);
    for (std::int32_t i = 0; i + 16 <= count; i += 16) sixteen(x, i, across, down, y);
    if (count % 16 != 0) sixteen(x, count - 16, across, down, y);
  }

  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256i words(const std::uint8_t* x) noexcept {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
  }

  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline void sixteen(const corners& x, std::int32_t i,
                                                                            __m256i across, __m256i down,
                                                                            std::uint8_t* y) noexcept {
    const __m256i a = words(x.a + i), b = words(x.b + i), c = words(x.c + i), d = words(x.d + i);
    const __m256i low = blended(_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), across),
                                _mm256_madd_epi16(_mm256_unpacklo_epi16(c, d), across), down);
    const __m256i high = blended(_mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), across),
                                 _mm256_madd_epi16(_mm256_unpackhi_epi16(c, d), across), down);
    const __m256i sums = _mm256_packus_epi32(low, high);  // in each half, as they were unpacked
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                     _mm_packus_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
  }

  [[gnu::always_inline]] DSMM_TARGET("avx2,fma") static inline __m256i
      blended(__m256i top, __m256i bottom, __m256i down) noexcept {
    const __m256i change = _mm256_mullo_epi32(_mm256_sub_epi32(bottom, top), down);
    const __m256i half = _mm256_set1_epi32(1 << 21);
    return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(top, 11), change), half), 22);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::resize_u8_impl
