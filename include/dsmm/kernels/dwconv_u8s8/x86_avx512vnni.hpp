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
#include "dsmm/kernels/dwconv_u8s8/avx512_stride1.hpp"
#include "dsmm/kernels/dwconv_u8s8/avx512_stride2.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl {

/// The bytes of four taps side by side make one vpdpbusd of four products per channel. 3 x 3 of strides 1 and 2 go
/// their own ways, other kernels take their taps four by four. Weights: (panels of 64 channels, dot products, 4
/// registers, 16 lanes, 4); where 32 or 16 channels are left, the lanes hold them 2 or 4 times.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  static std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return round_up(static_cast<std::size_t>(g.out_channels), 64) * static_cast<std::size_t>(products(g)) * 4;
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const weights = reinterpret_cast<std::int8_t*>(memory);
    p.weights = weights;
    const std::int32_t taps = g.kernel_h * g.kernel_w;
    std::memset(memory, 0, pack_bytes(g, 0));
    for (std::int32_t c = 0; c < g.out_channels; ++c) {
      const std::int32_t parts = avx512_panel::parts(g.out_channels - c / 64 * 64);
      const auto put = [&](std::int32_t product, std::int32_t value, std::int8_t w) {
        const std::int32_t in_register = c % 16 / 4, lane = c % 64 / 16 * 4 + c % 4;
        const std::ptrdiff_t first = ((std::ptrdiff_t{c} / 64 * products(g) + product) * 4 + in_register) * 16 + lane;
        for (std::int32_t q = 0; q < parts; ++q) weights[(first + q * 16 / parts) * 4 + value] = w;
      };
      for (std::int32_t t = 0; t < taps; ++t) {
        const std::int8_t w = from.w8[std::ptrdiff_t{c} * taps + t];
        if (is_3x3(g, 1)) {
          put(t / 3 * 2, t % 3, w);
          put(t / 3 * 2 + 1, t % 3 + 1, w);
        } else if (is_3x3(g, 2)) {
          const auto at = two::place_of(t / 3, t % 3);
          put(at.product, at.value, w);
        } else {
          put(t / 4, t % 4, w);
        }
      }
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  using two = avx512_stride2<1, requantize_impl::scaling::coarse, float>;

  static bool is_3x3(const conv_geometry& g, std::int32_t stride) noexcept {
    return g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == stride && g.stride_w == stride && g.dilation_h == 1 &&
           g.dilation_w == 1;
  }

  /// Dot products of four values per output; of two outputs for 3 x 3 of stride 1.
  static std::int32_t products(const conv_geometry& g) noexcept {
    return is_3x3(g, 1) ? 6 : is_3x3(g, 2) ? 3 : dw_taps(g) / 4;
  }

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    if (y_begin >= y_end) return;
    const conv_geometry& g = p.geometry;
    avx512_panel part;
    part.weights = p.weights;
    part.offsets = p.offsets;
    part.quads = products(g);
    part.clamp = requantize_impl::clamp512::of(e);
    part.epilogue = &e;
    for (std::int32_t c = 0; c < g.out_channels; c += 64, part.weights += std::ptrdiff_t{part.quads} * 256) {
      part.set_channels<T>(c, g.out_channels);
      part.with_scaling([&]<class How>(How) {
        constexpr auto how = sizeof(T) == 1 ? How::value : requantize_impl::scaling::coarse;
        if (is_3x3(g, 1))
          part.with_parts(y.shape.w / 2, [&]<class Parts>(Parts) {
            avx512_stride1<Parts::value, how, T>::rows(part, x, y, y_begin, y_end);
          });
        else if (is_3x3(g, 2))
          part.with_parts(y.shape.w, [&]<class Parts>(Parts) {
            avx512_stride2<Parts::value, how, T>::rows(part, x, y, y_begin, y_end);
          });
        else
          part.with_parts(y.shape.w,
                          [&]<class Parts>(Parts) { taps<how, Parts::value>(part, g, x, y, y_begin, y_end); });
      });
    }
  }

  /// Any kernel: the taps of an output, or of one in each part, four by four. The last ones of a row start early.
  template <requantize_impl::scaling How, std::int32_t Parts, class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void taps(const avx512_panel& p, const conv_geometry& g, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    const std::ptrdiff_t step = g.stride_w * x.pixel;
    for (std::int32_t oy = y_begin; oy < y_end; ++oy)
      for (std::int32_t i = 0; i < y.shape.w; i += Parts) {
        const std::int32_t ox = i + Parts <= y.shape.w ? i : y.shape.w - Parts;
        const std::uint8_t* const in = x.at(std::ptrdiff_t{oy} * g.stride_h, 0) + ox * step + p.channel;
        __m512i s[4] = {p.bias[0], p.bias[1], p.bias[2], p.bias[3]};
        const std::int8_t* w = p.weights;
        for (const std::int32_t *at = p.offsets, *const last = at + 4 * p.quads; at != last; at += 4, w += 256) {
          __m512i v[4];
          avx512_panel::interleave(p.pixels<Parts>(in + at[0], step), p.pixels<Parts>(in + at[1], step),
                                   p.pixels<Parts>(in + at[2], step), p.pixels<Parts>(in + at[3], step), v);
          for (std::int32_t r = 0; r < 4; ++r) s[r] = _mm512_dpbusd_epi32(s[r], v[r], _mm512_load_si512(w + r * 64));
        }
        for (std::int32_t r = 0; r < 4; ++r) s[r] = p.finished<How, T>(s[r], r);
        p.store<How, Parts>(y.at(oy, ox) + p.channel, y.pixel, s);
      }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::dwconv_u8s8_impl
