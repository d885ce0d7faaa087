// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/resize_taps.hpp"

namespace dsmm::inline DSMM_ABI::kernels::resize_u8_impl {

using taps = resize_impl::tap<std::int32_t>;

/// The four pixels around a position.
struct corners {
  const std::uint8_t *a, *b, *c, *d;  ///< above left and right, below left and right
};

[[gnu::always_inline]] inline corners corners_of(const tensor_view<const std::uint8_t>& x, const taps& row,
                                                 const taps& column) noexcept {
  return {x.at(row.low, column.low), x.at(row.low, column.high), x.at(row.high, column.low),
          x.at(row.high, column.high)};
}

/// Channels [0, count) of one pixel.
[[gnu::always_inline]] inline void blend(const corners& x, const taps& row, const taps& column, std::uint8_t* y,
                                         std::int32_t count) noexcept {
  const std::uint8_t *const a = x.a, *const b = x.b, *const c = x.c, *const d = x.d;
  const std::int32_t wd = row.weight * column.weight, wc = row.weight * 2048 - wd;
  const std::int32_t wb = column.weight * 2048 - wd, wa = 2048 * 2048 - wb - wc - wd;
  for (std::int32_t i = 0; i < count; ++i)
    y[i] = static_cast<std::uint8_t>((a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd + (1 << 21)) >> 22);
}

/// The specification; compiled for AVX2 as well.
struct generic {
  static constexpr isa required = isa::generic;

  static void rows(const tensor_view<const std::uint8_t>& from, const tensor_view<std::uint8_t>& to,
                   std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
    with_avx2([ x = from, y = to, zero_point, y_begin, y_end ]() __attribute__((always_inline)) {
      resize_impl::for_taps<std::int32_t>(
          x.shape, y.shape, y_begin, y_end, resize_impl::tap_u8,
          [ x, y, zero_point ](std::int32_t oy, std::int32_t ox, const taps& row, const taps& column)
              __attribute__((always_inline)) {
                blend(corners_of(x, row, column), row, column, y.at(oy, ox), y.shape.c);
                pad_channels(y, y.at(oy, ox), zero_point);
              });
    });
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::resize_u8_impl
