// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/quantize_planes/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::quantize_planes_impl {

/// Pixels as dwords or triples: 16 of them grow in the dwords of a register, a byte for each plane.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows(const float* x, const float* scale, const float* offset, const tensor_view<std::uint8_t>& y,
                   std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
    const bool dwords = has_dwords(y);
    if (!dwords && !has_triples(y)) return generic::rows(x, scale, offset, y, zero_point, y_begin, y_end);
    for (std::int32_t row = y_begin; row < y_end; ++row) {
      const float* const from = x + std::ptrdiff_t{row} * y.shape.w;
      for (std::int32_t col = 0; col < y.shape.w; col += 16) {
        const std::int32_t left = y.shape.w - col, pixels = left < 16 ? left : 16;
        const auto lanes = static_cast<__mmask16>((1u << pixels) - 1u);
        const __m512i v = quantized(from + col, scale, offset, y.shape, zero_point, lanes);
        if (dwords) _mm512_mask_storeu_epi32(y.at(row, col), lanes, v);
        else if (left >= 22) _mm512_storeu_si512(y.at(row, col), triples_of(v));  // the next ones write over the rest
        else _mm512_mask_storeu_epi8(y.at(row, col), (__mmask64{1} << 3 * pixels) - 1, triples_of(v));
      }
    }
  }

private:
  static constexpr __mmask16 all = 0xFFFF;  // g++ 12 warns inside its own forms without a mask

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i quantized(const float* x, const float* scale,
                                                                 const float* offset, extents shape,
                                                                 std::int32_t zero_point, __mmask16 lanes) noexcept {
    const __m512 low = _mm512_setzero_ps(), high = _mm512_set1_ps(255.0f);
    const __m512i zero = _mm512_set1_epi32(zero_point);
    const std::ptrdiff_t plane = std::ptrdiff_t{shape.h} * shape.w;
    __m512i y = _mm512_set1_epi32(static_cast<std::int32_t>(padding_bytes(shape.c, zero_point)));
    for (std::int32_t c = 0; c < shape.c; ++c, x += plane) {
      const __m512 v =
          _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, x), _mm512_set1_ps(scale[c]), _mm512_set1_ps(offset[c]));
      const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
      const __m512 clamped = _mm512_maskz_min_ps(all, _mm512_maskz_max_ps(all, v, low), high);
      const __m512i q = _mm512_mask_mov_epi32(_mm512_maskz_cvtps_epi32(all, clamped), nan, zero);
      y = _mm512_or_si512(y, _mm512_maskz_sllv_epi32(all, q, _mm512_set1_epi32(8 * c)));
    }
    return y;
  }

  /// The first three bytes of 16 dwords, side by side.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i triples_of(__m512i dwords) noexcept {
    const __m512i pick =
        _mm512_maskz_broadcast_i32x4(all, _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const __m512i join = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    return _mm512_maskz_permutexvar_epi32(all, join, _mm512_maskz_shuffle_epi8(~__mmask64{0}, dwords, pick));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::quantize_planes_impl
