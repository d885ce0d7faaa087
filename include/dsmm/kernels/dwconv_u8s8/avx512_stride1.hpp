// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/dwconv_u8s8/avx512_panel.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// 3 x 3 of stride 1, two columns of outputs at a time: four neighbours, interleaved, serve both with weights
/// (w0, w1, w2, 0) and (0, w0, w1, w2). Going down two rows at a time, each row is interleaved once and each weight
/// that is loaded serves both rows. The weights of a row are 512 bytes behind those of the one before, those of the
/// second column 256 behind those of the first.
template <std::int32_t Parts, requantize_impl::scaling How, class T>
struct avx512_stride1 {
  /// Rows [y_begin, y_end) of the panel's channels; y at least 2 * Parts wide if there are several. Their last columns
  /// start early where the width is no multiple: equal bits twice.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const avx512_panel& p, const conv_input& x, const tensor_view<T>& y, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
    constexpr std::int32_t step = 2 * Parts;
    std::int32_t ox = 0;
    for (; ox + step <= y.shape.w; ox += step) down<2>(p, x, y, ox, y_begin, y_end);
    if (ox == y.shape.w) return;
    if constexpr (Parts > 1) down<2>(p, x, y, y.shape.w - step, y_begin, y_end);
    else down<1>(p, x, y, ox, y_begin, y_end);
  }

private:
  template <std::int32_t Columns>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void down(const avx512_panel& p, const conv_input& x, const tensor_view<T>& y, std::int32_t ox,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const std::uint8_t* in = x.at(y_begin, ox) + p.channel;
    T* out = y.at(y_begin, ox) + p.channel;
    const std::ptrdiff_t x_row = x.row, x_pixel = x.pixel, y_row = y.row, y_pixel = y.pixel;
    __m512i v[4][4];  // rows of inputs
    neighbours<Columns>(p, in, x_pixel, v[0]);
    neighbours<Columns>(p, in + x_row, x_pixel, v[1]);
    std::int32_t left = y_end - y_begin;
    for (in += 2 * x_row; left >= 2; left -= 2, in += 2 * x_row, out += 2 * y_row) {
      neighbours<Columns>(p, in, x_pixel, v[2]);
      neighbours<Columns>(p, in + x_row, x_pixel, v[3]);
      outputs<Columns, 2>(p, v, out, y_row, y_pixel);
      for (std::int32_t r = 0; r < 4; ++r) v[0][r] = v[2][r], v[1][r] = v[3][r];
    }
    if (left == 0) return;
    neighbours<Columns>(p, in, x_pixel, v[2]);
    outputs<Columns, 1>(p, v, out, y_row, y_pixel);
  }

  template <std::int32_t Columns, std::int32_t Rows>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void outputs(const avx512_panel& p, const __m512i (*v)[4], T* out,
                                                            std::ptrdiff_t y_row, std::ptrdiff_t y_pixel) noexcept {
    for (std::int32_t i = 0; i < Columns; ++i) {
      __m512i s[Rows][4];
      for (std::int32_t r = 0; r < 4; ++r) {
        const std::int8_t* const w = p.weights + i * 256 + r * 64;
        __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 512), w2 = _mm512_load_si512(w + 1024);
        asm("" : "+v"(w0), "+v"(w1), "+v"(w2));  // or g++ loads them again for the second row
        for (std::int32_t row = 0; row < Rows; ++row) {
          __m512i sum = _mm512_dpbusd_epi32(p.bias[r], v[row][r], w0);
          sum = _mm512_dpbusd_epi32(sum, v[row + 1][r], w1);
          sum = _mm512_dpbusd_epi32(sum, v[row + 2][r], w2);
          s[row][r] = p.template finished<How, T>(sum, r);
        }
      }
      for (std::int32_t row = 0; row < Rows; ++row)
        p.template store<How, Parts>(out + row * y_row + i * y_pixel, 2 * y_pixel, s[row]);
    }
  }

  /// Four neighbours, or three where there is no second column.
  template <std::int32_t Columns>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void neighbours(const avx512_panel& p, const std::uint8_t* x,
                                                               std::ptrdiff_t pixel, __m512i* out) noexcept {
    const std::ptrdiff_t step = 2 * pixel;
    avx512_panel::interleave(p.pixels<Parts>(x, step), p.pixels<Parts>(x + pixel, step),
                             p.pixels<Parts>(x + 2 * pixel, step), p.pixels<Parts>(x + (Columns + 1) * pixel, step),
                             out);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
