// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/conv_epilogue/generic.hpp"
#include "dsmm/kernels/nd/unary_rows.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl {

/// Adds, ReLU and clip in registers; other activations over whole tiles.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  /// Ones for the first n lanes.
  [[gnu::always_inline]] static inline __mmask16 first_lanes(std::int64_t n) noexcept {
    return static_cast<__mmask16>(n <= 0 ? 0u : n >= 16 ? 0xFFFFu : (1u << n) - 1u);
  }

  /// 16 sums of one channel finished, for a plain epilogue; `residual` may be null.
  template <unary_fn act>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      settle(const epilogue& e, bool adds, __m512 v, __m512 bias, const float* residual, __mmask16 lanes) noexcept {
    if (adds) v = _mm512_add_ps(v, bias);
    if (residual != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(lanes, residual));
    const __m512 zero = _mm512_setzero_ps();
    if constexpr (act == unary_fn::relu) return _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, zero, _CMP_LE_OQ), zero);
    if constexpr (act == unary_fn::clip) {
      const __m512 low = _mm512_set1_ps(e.alpha), high = _mm512_set1_ps(e.beta);
      v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, low, _CMP_LT_OQ), low);
      v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, high, _CMP_GT_OQ), high);
    }
    return v;
  }

  /// The same where the activation is not known before.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      settle(const epilogue& e, __m512 v, __m512 bias, const float* residual, __mmask16 lanes) noexcept {
    if (e.act == unary_fn::relu) return settle<unary_fn::relu>(e, true, v, bias, residual, lanes);
    if (e.act == unary_fn::clip) return settle<unary_fn::clip>(e, e.adds(), v, bias, residual, lanes);
    return settle<unary_fn::identity>(e, e.adds(), v, bias, residual, lanes);
  }

  DSMM_TARGET("avx512f")
  static void rows(const epilogue& e, float* y, std::int64_t pitch, std::int64_t rows, std::int64_t offset,
                   std::int64_t channel, std::int64_t count) noexcept {
    const epilogue local = e;  // no store to y changes it
    if (local.act == unary_fn::relu) settle_rows<unary_fn::relu>(local, y, pitch, rows, offset, channel, count);
    else if (local.act == unary_fn::clip) settle_rows<unary_fn::clip>(local, y, pitch, rows, offset, channel, count);
    else if (local.adds()) settle_rows<unary_fn::identity>(local, y, pitch, rows, offset, channel, count);
    if (!local.plain()) unary_rows(local.act, local.alpha, local.beta, y, pitch, rows, count);
  }

  DSMM_TARGET("avx512f")
  static void transposed(const epilogue& e, float* sums, std::int64_t columns, std::int64_t pixels,
                         std::int64_t channels, float* y, std::int64_t plane, std::int64_t offset,
                         std::int64_t channel) noexcept {
    epilogue local = e;
    if (!local.plain()) {
      if (local.residual != nullptr)
        return generic::transposed(e, sums, columns, pixels, channels, y, plane, offset, channel);
      local.apply_pixels(sums, columns, pixels, channels, channel);
      local.act = unary_fn::identity;
      local.bias = nullptr;
    }
    if (columns != tile_columns)
      return generic::transposed(local, sums, columns, pixels, channels, y, plane, offset, channel);
    const auto turn = [&]<unary_fn act>() {
      if (local.residual != nullptr) turned<act, true>(local, sums, pixels, channels, y, plane, offset, channel);
      else turned<act, false>(local, sums, pixels, channels, y, plane, offset, channel);
    };
    if (local.act == unary_fn::relu) turn.template operator()<unary_fn::relu>();
    else if (local.act == unary_fn::clip) turn.template operator()<unary_fn::clip>();
    else turn.template operator()<unary_fn::identity>();
  }

private:
  static constexpr std::int64_t tile_columns = 32;  ///< floats to a pixel in the tiles of this instruction set

  template <unary_fn act>
  DSMM_TARGET("avx512f")
  static void settle_rows(const epilogue& e, float* y, std::int64_t row, std::int64_t rows, std::int64_t offset,
                          std::int64_t channel, std::int64_t count) noexcept {
    const bool adds = e.adds();
    for (std::int64_t j = 0; j < count; j += 32) {
      const __mmask16 m0 = first_lanes(count - j), m1 = first_lanes(count - j - 16);
      const float* residual = e.residual_at(offset + j);
      float* at = y + j;
      for (std::int64_t r = 0; r < rows; ++r, at += row) {
        const __m512 bias = _mm512_set1_ps(e.bias_of(channel + r));
        const __m512 low = settle<act>(e, adds, _mm512_maskz_loadu_ps(m0, at), bias, residual, m0);
        const __m512 high = settle<act>(e, adds, _mm512_maskz_loadu_ps(m1, at + 16), bias,
                                        residual != nullptr ? residual + 16 : nullptr, m1);
        _mm512_mask_storeu_ps(at, m0, low);
        _mm512_mask_storeu_ps(at + 16, m1, high);
        if (residual != nullptr) residual += row;
      }
    }
  }

  /// transposed() with the activation and the residual decided, and pixels a constant number of floats apart.
  template <unary_fn act, bool residual>
  DSMM_TARGET("avx512f")
  static void turned(const epilogue& e, const float* sums, std::int64_t pixels, std::int64_t channels, float* y,
                     std::int64_t plane, std::int64_t offset, std::int64_t channel) noexcept {
    constexpr __mmask16 all = 0xFFFF;  // g++ 12 warns inside its own forms without a mask
    constexpr float zeros[tile_columns] = {};
    const __mmask16 lanes = first_lanes(pixels);
    const bool adds = e.adds();
    const float* bias = e.bias != nullptr ? reinterpret_cast<const float*>(e.bias) + channel : zeros;
    const float* other = e.residual_at(offset);
    for (std::int64_t c = 0; c < channels; c += 4, sums += 4, bias += 4) {
      // Lane l of quad i: channels c .. c + 3 of pixel 4 l + i; then each lane is transposed.
      const __m512 q0 = quad(sums), q1 = quad(sums + tile_columns), q2 = quad(sums + 2 * tile_columns),
                   q3 = quad(sums + 3 * tile_columns);
      const __m512 a = _mm512_maskz_unpacklo_ps(all, q0, q1), b = _mm512_maskz_unpackhi_ps(all, q0, q1);
      const __m512 f = _mm512_maskz_unpacklo_ps(all, q2, q3), g = _mm512_maskz_unpackhi_ps(all, q2, q3);
      const __m512 out[4] = {_mm512_shuffle_ps(a, f, 0x44), _mm512_shuffle_ps(a, f, 0xEE),
                             _mm512_shuffle_ps(b, g, 0x44), _mm512_shuffle_ps(b, g, 0xEE)};
      const auto put = [&](int i) DSMM_TARGET("avx512f") {
        _mm512_mask_storeu_ps(y, lanes,
                              settle<act>(e, adds, out[i], _mm512_set1_ps(bias[i]), residual ? other : nullptr, lanes));
        y += plane;
        if constexpr (residual) other += plane;
      };
      if (channels - c >= 4) put(0), put(1), put(2), put(3);
      else
        for (int i = 0; i < channels - c; ++i) put(i);
    }
  }

  /// Four floats of each of four pixels, four pixels apart.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 quad(const float* from) noexcept {
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(from));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 4 * tile_columns), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 8 * tile_columns), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(from + 12 * tile_columns), 3);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl
