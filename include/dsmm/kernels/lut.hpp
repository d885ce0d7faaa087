// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/pad_channels.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

using u8_table = std::array<std::uint8_t, 256>;

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

/// y = table[x]; rows [y_begin, y_end). y may be x. `zero_point`, that of y, fills the padding channels.
inline void lut_u8(tensor_view<const std::uint8_t> x, const u8_table& table, tensor_view<std::uint8_t> y,
                   std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
  for (std::int32_t row = y_begin; row < y_end; ++row)
    for (std::int32_t col = 0; col < y.shape.w; ++col) {
      const std::uint8_t* in = x.at(row, col);
      std::uint8_t* out = y.at(row, col);
      for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = table[in[c]];
      pad_channels(y, out, zero_point);
    }
}

}  // namespace dsmm::inline DSMM_ABI::kernels
