// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/dwconv_u8s8/avx512_panel.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// The bytes of four taps side by side; a mask leaves taps 0 and 2 as s16, a shift 1 and 3, and vpmaddwd adds their
/// products. Weights: (panels of 64 channels, quads of taps, 4 registers, taps 0 and 2 or 1 and 3, 16 lanes, 2) as s16;
/// where 32 or 16 channels are left, the lanes hold them 2 or 4 times, as tables do.
struct x86_avx512bw {
  static constexpr isa required = isa::x86_avx512bw;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return round_up(static_cast<std::size_t>(g.out_channels), 64) * static_cast<std::size_t>(dw_taps(g)) * 2;
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const words = reinterpret_cast<std::int16_t*>(memory);
    p.weights = reinterpret_cast<const std::int8_t*>(memory);
    const std::ptrdiff_t taps = std::ptrdiff_t{g.kernel_h} * g.kernel_w, quads = dw_taps(g) / 4;
    std::memset(memory, 0, pack_bytes(g, 0));
    for (std::ptrdiff_t c = 0; c < g.out_channels; ++c) {
      const std::int32_t parts = avx512_panel::parts(g.out_channels - c / 64 * 64);
      const std::ptrdiff_t in_register = c % 16 / 4, lane = c % 64 / 16 * 4 + c % 4;
      for (std::ptrdiff_t t = 0; t < taps; ++t) {
        const std::ptrdiff_t first = (((c / 64 * quads + t / 4) * 4 + in_register) * 2 + t % 2) * 16 + lane;
        for (std::int32_t q = 0; q < parts; ++q)
          words[(first + q * 16 / parts) * 2 + t % 4 / 2] = from.w8[c * taps + t];
      }
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const conv_geometry& g = p.geometry;
    avx512_panel part;
    part.weights = p.weights;
    part.offsets = p.offsets;
    part.quads = dw_taps(g) / 4;
    part.clamp = requantize_impl::clamp512::of(e);
    part.epilogue = &e;
    for (std::int32_t c = 0; c < g.out_channels; c += 64, part.weights += std::ptrdiff_t{part.quads} * 512) {
      part.set_channels<T>(c, g.out_channels);
      part.with_scaling([&]<class How>(How) {
        constexpr auto how = sizeof(T) == 1 ? How::value : requantize_impl::scaling::coarse;
        part.with_parts(y.shape.w, [&]<class Parts>(Parts) {
          for (std::int32_t oy = y_begin; oy < y_end; ++oy)
            row<how, Parts::value>(part, x.at(std::ptrdiff_t{oy} * g.stride_h, 0) + c, g.stride_w * x.pixel,
                                   y.at(oy, 0) + c, y.pixel, y.shape.w);
        });
      });
    }
  }

  /// A row of outputs, one in each part. The last ones start early.
  template <requantize_impl::scaling How, std::int32_t Parts, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void row(const avx512_panel& p, const std::uint8_t* x, std::ptrdiff_t x_step, T* y, std::ptrdiff_t y_step,
                  std::int32_t width) noexcept {
    const __m512i bytes = _mm512_set1_epi16(255);
    for (std::int32_t i = 0; i < width; i += Parts) {
      const std::int32_t ox = i + Parts <= width ? i : width - Parts;
      const std::uint8_t* const in = x + ox * x_step;
      __m512i s[4] = {p.bias[0], p.bias[1], p.bias[2], p.bias[3]};
      const std::int8_t* w = p.weights;
      for (const std::int32_t *at = p.offsets, *const last = at + 4 * p.quads; at != last; at += 4, w += 512) {
        __m512i v[4];
        avx512_panel::interleave(p.pixels<Parts>(in + at[0], x_step), p.pixels<Parts>(in + at[1], x_step),
                                 p.pixels<Parts>(in + at[2], x_step), p.pixels<Parts>(in + at[3], x_step), v);
        for (std::int32_t r = 0; r < 4; ++r) {
          const __m512i even = _mm512_madd_epi16(v[r] & bytes, _mm512_load_si512(w + r * 128));
          const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(v[r], 8), _mm512_load_si512(w + r * 128 + 64));
          s[r] = _mm512_add_epi32(s[r], _mm512_add_epi32(even, odd));
        }
      }
      for (std::int32_t r = 0; r < 4; ++r) s[r] = p.finished<How, T>(s[r], r);
      p.store<How, Parts>(y + ox * y_step, y_step, s);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
