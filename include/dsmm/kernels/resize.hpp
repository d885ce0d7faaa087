// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/resize_taps.hpp"
#include "dsmm/kernels/resize_u8/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/resize_u8/x86_avx2.hpp"
#endif

/// Resampling of (H, W, C) with half-pixel centres; rows [y_begin, y_end) of y, y must not overlap x.
namespace dsmm::inline DSMM_ABI::kernels {

/// y = x at floor((2 o + 1) in / (2 out)) along each axis. T is std::uint8_t or float; `zero_point` fills the padding
/// channels of a u8 y.
template <class T>
void resize_nearest(tensor_view<const T> x, tensor_view<T> y, std::int32_t zero_point, std::int32_t y_begin,
                    std::int32_t y_end) noexcept {
  const auto make = [](std::int32_t o, std::int32_t in, std::int32_t out) {
    return resize_impl::tap<std::int32_t>{resize_impl::nearest(o, in, out), 0, 0};
  };
  resize_impl::for_taps<std::int32_t>(x.shape, y.shape, y_begin, y_end, make,
                                      [&](std::int32_t oy, std::int32_t ox, const auto& row, const auto& column) {
                                        const T* in = x.at(row.low, column.low);
                                        T* out = y.at(oy, ox);
                                        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = in[c];
                                        if constexpr (sizeof(T) == 1) pad_channels(y, out, zero_point);
                                      });
}

#if DSMM_X86
using resize_u8_variants = kernel_list<resize_u8_impl::x86_avx2, resize_u8_impl::generic>;
#else
using resize_u8_variants = kernel_list<resize_u8_impl::generic>;
#endif

/// y = (sum of 4 taps * weights + 2^21) >> 22; weights of 11 bits along each axis. x and y share one quantization.
inline void resize_bilinear_u8(isa level, const tensor_view<const std::uint8_t>& x, const tensor_view<std::uint8_t>& y,
                               std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
  resize_u8_variants::choose(level, [&]<class V>(std::type_identity<V>) { V::rows(x, y, zero_point, y_begin, y_end); });
}

/// lerp(lerp(a, b, w), lerp(c, d, w), v) with lerp(a, b, w) = fma(w, b - a, a): along W, then along H.
inline void resize_bilinear_f32(tensor_view<const float> x, tensor_view<float> y, std::int32_t y_begin,
                                std::int32_t y_end) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    resize_impl::for_taps<float>(
        x.shape, y.shape, y_begin, y_end, resize_impl::tap_f32,
        [ x, y ](std::int32_t oy, std::int32_t ox, const auto& row, const auto& column) __attribute__((always_inline)) {
          const float *a = x.at(row.low, column.low), *b = x.at(row.low, column.high);
          const float *c = x.at(row.high, column.low), *d = x.at(row.high, column.high);
          float* out = y.at(oy, ox);
          const std::int32_t channels = y.shape.c;
          for (std::int32_t i = 0; i < channels; ++i) {
            const float top = fma<M>(column.weight, b[i] - a[i], a[i]);
            const float bottom = fma<M>(column.weight, d[i] - c[i], c[i]);
            out[i] = canonical(fma<M>(row.weight, bottom - top, top));
          }
        });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
