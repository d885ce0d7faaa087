// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/dwconv_u8s8/avx512_panel.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// 3 x 3 of stride 2. The bytes of two rows side by side, a pair, are interleaved with those of the next pixel or of
/// the next pair below. An output at rows 0 .. 2 and pixels 0 .. 2 is then three dot products: of pixels 0 and 1 in the
/// pair of rows 0 and 1; of the same in the pair below, which is what the next output down starts with; and of pixel 2
/// in both pairs. That is 14 interleavings of an output, where taking its taps in the kernel's order needs 24. The four
/// registers of each lie 256 bytes apart in the weights.
template <std::int32_t Parts, requantize_impl::scaling How, class T>
struct avx512_stride2 {
  /// Rows [y_begin, y_end) of the panel's channels; y at least Parts wide.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const avx512_panel& p, const conv_input& x, const tensor_view<T>& y, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
    std::int32_t ox = 0;
    for (; ox + Parts <= y.shape.w; ox += Parts) down(p, x, y, ox, y_begin, y_end);
    if (ox != y.shape.w) down(p, x, y, y.shape.w - Parts, y_begin, y_end);
  }

  /// Where the verdict of a tap (row, column) lies: which dot product, which of its four values.
  struct place {
    std::int32_t product, value;
  };
  static constexpr place place_of(std::int32_t row, std::int32_t column) noexcept {
    if (column == 2) return {2, row};
    return row == 2 ? place{1, 2 * column} : place{0, 2 * column + row};
  }

private:
  /// Pixels 0 and 1 of a pair of rows, and pixel 2, which awaits the pair below.
  struct row_pair {
    __m512i first[4], low, high;
  };

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void down(const avx512_panel& p, const conv_input& x, const tensor_view<T>& y, std::int32_t ox,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const std::uint8_t* in = x.at(std::ptrdiff_t{y_begin} * 2, std::ptrdiff_t{ox} * 2) + p.channel;
    T* out = y.at(y_begin, ox) + p.channel;
    const std::ptrdiff_t x_row = x.row, pixel = x.pixel, y_row = y.row, y_pixel = y.pixel;
    row_pair v[3];
    v[0] = pair_of(p, in, x_row, pixel);
    in += 2 * x_row;
    std::int32_t left = y_end - y_begin;
    for (; left >= 3; left -= 2, in += 4 * x_row, out += 2 * y_row) {
      v[1] = pair_of(p, in, x_row, pixel);
      v[2] = pair_of(p, in + 2 * x_row, x_row, pixel);
      outputs<2>(p, v, out, y_row, y_pixel);
      v[0] = v[2];
    }
    // The row below the last output's taps need not be there: its weight is 0, any other row will do.
    if (left == 2) {
      v[1] = pair_of(p, in, x_row, pixel);
      v[2] = pair_of(p, in + 2 * x_row, 0, pixel);
      outputs<2>(p, v, out, y_row, y_pixel);
    } else if (left == 1) {
      v[1] = pair_of(p, in, 0, pixel);
      outputs<1>(p, v, out, y_row, y_pixel);
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline row_pair pair_of(const avx512_panel& p, const std::uint8_t* x,
                                                                std::ptrdiff_t x_row, std::ptrdiff_t pixel) noexcept {
    row_pair v;
    const std::uint8_t* const below = x + x_row;
    const std::ptrdiff_t step = 2 * pixel;
    avx512_panel::interleave(p.pixels<Parts>(x, step), p.pixels<Parts>(below, step), p.pixels<Parts>(x + pixel, step),
                             p.pixels<Parts>(below + pixel, step), v.first);
    const __m512i a = p.pixels<Parts>(x + 2 * pixel, step), b = p.pixels<Parts>(below + 2 * pixel, step);
    v.low = _mm512_unpacklo_epi8(a, b);
    v.high = _mm512_unpackhi_epi8(a, b);
    return v;
  }

  template <std::int32_t Rows>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void outputs(const avx512_panel& p, const row_pair* v, T* out,
                                                            std::ptrdiff_t y_row, std::ptrdiff_t y_pixel) noexcept {
    __m512i last[Rows][4], s[Rows][4];
    for (std::int32_t row = 0; row < Rows; ++row)
      avx512_panel::interleave_pairs(v[row].low, v[row].high, v[row + 1].low, v[row + 1].high, last[row]);
    for (std::int32_t r = 0; r < 4; ++r) {
      const std::int8_t* const w = p.weights + r * 64;
      __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 256), w2 = _mm512_load_si512(w + 512);
      asm("" : "+v"(w0), "+v"(w1), "+v"(w2));  // or g++ loads them again for the second row
      for (std::int32_t row = 0; row < Rows; ++row) {
        __m512i sum = _mm512_dpbusd_epi32(p.bias[r], v[row].first[r], w0);
        sum = _mm512_dpbusd_epi32(sum, v[row + 1].first[r], w1);
        sum = _mm512_dpbusd_epi32(sum, last[row][r], w2);
        s[row][r] = p.template finished<How, T>(sum, r);
      }
    }
    for (std::int32_t row = 0; row < Rows; ++row) p.template store<How, Parts>(out + row * y_row, y_pixel, s[row]);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
