// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"

/// Resampling of (H, W, C) with half-pixel centres; rows [y_begin, y_end) of y, y must not overlap x. Positions are
/// ratios of integers, so none depends on rounding; extents up to 2^20.
namespace dsmm::inline DSMM_ABI::kernels {

namespace resize_impl {

/// Columns whose taps are kept on the stack at a time.
inline constexpr std::int32_t block = 64;

/// Two neighbours along one axis and the weight of the second.
template <class Weight>
struct tap {
  std::int32_t low, high;
  Weight weight;
};

constexpr std::int32_t nearest(std::int32_t o, std::int32_t in, std::int32_t out) noexcept {
  return static_cast<std::int32_t>((2 * std::int64_t{o} + 1) * in / (2 * std::int64_t{out}));
}

/// Weight in steps of 2^-11.
constexpr tap<std::int32_t> tap_u8(std::int32_t o, std::int32_t in, std::int32_t out) noexcept {
  const std::int64_t rounded = ((2 * std::int64_t{o} + 1) * in * 2048 + out) / (2 * std::int64_t{out}) - 1024;
  const std::int64_t p = std::clamp<std::int64_t>(rounded, 0, (std::int64_t{in} - 1) * 2048);
  const auto low = static_cast<std::int32_t>(p >> 11);
  return {low, std::min(low + 1, in - 1), static_cast<std::int32_t>(p & 2047)};
}

constexpr tap<float> tap_f32(std::int32_t o, std::int32_t in, std::int32_t out) noexcept {
  const std::int64_t p = std::max<std::int64_t>((2 * std::int64_t{o} + 1) * in - out, 0), unit = 2 * std::int64_t{out};
  const auto low = static_cast<std::int32_t>(p / unit);
  if (low >= in - 1) return {in - 1, in - 1, 0.0f};
  return {low, low + 1, static_cast<float>(p % unit) / static_cast<float>(unit)};
}

/// f(oy, ox, tap along H, tap along W) for the rows, taps of a block of columns made once.
template <class Weight, class Make, class F>
[[gnu::always_inline]] inline void for_taps(extents x, extents y, std::int32_t y_begin, std::int32_t y_end,
                                            const Make& make, const F& f) noexcept {
  std::array<tap<Weight>, block> columns;
  for (std::int32_t first = 0; first < y.w; first += block) {
    const std::int32_t count = std::min(block, y.w - first);
    for (std::int32_t i = 0; i < count; ++i) columns[static_cast<std::size_t>(i)] = make(first + i, x.w, y.w);
    for (std::int32_t oy = y_begin; oy < y_end; ++oy) {
      const tap<Weight> row = make(oy, x.h, y.h);
      for (std::int32_t i = 0; i < count; ++i) f(oy, first + i, row, columns[static_cast<std::size_t>(i)]);
    }
  }
}

}  // namespace resize_impl

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

/// y = (sum of 4 taps * weights + 2^21) >> 22; weights of 11 bits along each axis. x and y share one quantization.
inline void resize_bilinear_u8(tensor_view<const std::uint8_t> x, tensor_view<std::uint8_t> y, std::int32_t zero_point,
                               std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    resize_impl::for_taps<std::int32_t>(
        x.shape, y.shape, y_begin, y_end, resize_impl::tap_u8,
        [ x, y, zero_point ](std::int32_t oy, std::int32_t ox, const auto& row, const auto& column)
            __attribute__((always_inline)) {
              const std::uint8_t *a = x.at(row.low, column.low), *b = x.at(row.low, column.high);
              const std::uint8_t *c = x.at(row.high, column.low), *d = x.at(row.high, column.high);
              const std::int32_t wd = row.weight * column.weight, wc = row.weight * 2048 - wd;
              const std::int32_t wb = column.weight * 2048 - wd, wa = 2048 * 2048 - wb - wc - wd;
              std::uint8_t* out = y.at(oy, ox);
              const std::int32_t channels = y.shape.c;
              for (std::int32_t i = 0; i < channels; ++i)
                out[i] = static_cast<std::uint8_t>((a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd + (1 << 21)) >> 22);
              pad_channels(y, out, zero_point);
            });
  });
}

/// lerp(lerp(a, b, w), lerp(c, d, w), v) with lerp(a, b, w) = fma(w, b - a, a): along W, then along H.
inline void resize_bilinear_f32(tensor_view<const float> x, tensor_view<float> y, std::int32_t y_begin,
                                std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    resize_impl::for_taps<float>(
        x.shape, y.shape, y_begin, y_end, resize_impl::tap_f32,
        [ x, y ](std::int32_t oy, std::int32_t ox, const auto& row, const auto& column) __attribute__((always_inline)) {
          const float *a = x.at(row.low, column.low), *b = x.at(row.low, column.high);
          const float *c = x.at(row.high, column.low), *d = x.at(row.high, column.high);
          float* out = y.at(oy, ox);
          const std::int32_t channels = y.shape.c;
          for (std::int32_t i = 0; i < channels; ++i) {
            const float top = fma(column.weight, b[i] - a[i], a[i]);
            const float bottom = fma(column.weight, d[i] - c[i], c[i]);
            out[i] = canonical(fma(row.weight, bottom - top, top));
          }
        });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
