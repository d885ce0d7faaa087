// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/lut/generic.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#if DSMM_X86
#include "dsmm/kernels/lut/x86_avx2.hpp"
#include "dsmm/kernels/lut/x86_avx512bw.hpp"
#include "dsmm/kernels/lut/x86_avx512vbmi.hpp"
#elif DSMM_ARM64
#include "dsmm/kernels/lut/arm_neon.hpp"
#endif

/// Tables of 256 values, one for each u8.
namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using lut_variants =
    kernel_list<lut_impl::x86_avx512vbmi, lut_impl::x86_avx512bw, lut_impl::x86_avx2, lut_impl::generic>;
#elif DSMM_ARM64
using lut_variants = kernel_list<lut_impl::arm_neon, lut_impl::generic>;
#else
using lut_variants = kernel_list<lut_impl::generic>;
#endif

using lut_function = void (*)(const u8_table& table, const lut_runs& runs) noexcept;

/// What a machine with `level` runs.
constexpr lut_function lut_for(isa level) noexcept {
  return lut_variants::choose(level, []<class V>(std::type_identity<V>) -> lut_function { return &V::run; });
}

/// The table that carries u8 values from one quantization to another:
/// clamp(zp_y + floor((x - zp_x) * (x.scale / y.scale) + 1/2)), in f64; the identity for equal quantizations.
inline u8_table rescale_table(const quantization& x, const quantization& y) noexcept {
  u8_table table{};
  const double ratio = static_cast<double>(x.scale) / static_cast<double>(y.scale);
  for (std::int32_t i = 0; i < 256; ++i) {
    const double product = (i - x.zero_point) * ratio;
    const double sum = (product < -512.0 ? -512.0 : product > 512.0 ? 512.0 : product) + 0.5;
    const auto toward_zero = static_cast<std::int64_t>(sum);
    const std::int64_t rounded = static_cast<double>(toward_zero) > sum ? toward_zero - 1 : toward_zero;
    table[static_cast<std::size_t>(i)] = clamp_u8(y.zero_point + rounded);
  }
  return table;
}

/// y = table[x]; rows [y_begin, y_end), by lut_for(). y may be x. Leaves padding channels as they are.
inline void lut_rows(lut_function look_up, tensor_view<const std::uint8_t> x, const u8_table& table,
                     tensor_view<std::uint8_t> y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  const auto width = static_cast<std::size_t>(y.shape.w), channels = static_cast<std::size_t>(y.shape.c);
  const bool whole = x.pixel == x.shape.c && y.pixel == y.shape.c;
  for (std::int32_t row = y_begin; row < y_end; ++row)
    if (whole) look_up(table, {x.at(row, 0), 0, y.at(row, 0), 0, 1, width * channels});
    else look_up(table, {x.at(row, 0), x.pixel, y.at(row, 0), y.pixel, width, channels});
}

/// The same, and `zero_point`, that of y, fills the padding channels.
inline void lut_u8(lut_function look_up, tensor_view<const std::uint8_t> x, const u8_table& table,
                   tensor_view<std::uint8_t> y, std::int32_t zero_point, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
  lut_rows(look_up, x, table, y, y_begin, y_end);
  if (padding_of(y.shape, y.pixel) == 0) return;
  for (std::int32_t row = y_begin; row < y_end; ++row)
    for (std::int32_t col = 0; col < y.shape.w; ++col) pad_channels(y, y.at(row, col), zero_point);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
