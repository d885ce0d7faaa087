// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/fused.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::nbits_impl {

/// Columns of a packed panel.
inline constexpr std::int64_t panel_columns = 32;

/// The weights w[k][n] = (q[k][n] - zero[block of k][n]) * scale[block of k][n] of n columns, in panels of 32 columns;
/// columns that are not there have scale 0.
struct packed_weights {
  std::int64_t k = 0, n = 0, block = 0;
  bool wide = false;  ///< q of 8 bits, not of up to 4
  /// (panels, k, 16 or 32) bytes: of 4 bits, byte j holds column j below column j + 16.
  const std::uint8_t* q = nullptr;
  const float *scale = nullptr, *zero = nullptr;  ///< (panels, blocks, 32)
  bool one_zero = false;                          ///< all zero points are the same
  float table[16] = {};                           ///< q - zero of each q of 4 bits, where one_zero

  std::int64_t blocks() const noexcept { return (k + block - 1) / block; }
  std::int64_t panels() const noexcept { return (n + panel_columns - 1) / panel_columns; }
  std::int64_t step_bytes() const noexcept { return wide ? 32 : 16; }
  const std::uint8_t* at(std::int64_t panel, std::int64_t step) const noexcept {
    return q + (panel * k + step) * step_bytes();
  }
  std::int64_t grid(std::int64_t panel, std::int64_t step) const noexcept {
    return (panel * blocks() + step / block) * panel_columns;
  }
};

/// expand: w of steps [k0, k0 + steps) and of `columns` (16 or 32) columns of a panel from `first` (0 or 16) on, one
/// step after the other; all steps lie in one block.
using expand_function = void (*)(const packed_weights&, std::int64_t panel, std::int64_t k0, std::int64_t steps,
                                 std::int64_t first, std::int64_t columns, float* to) noexcept;
/// row: y[32 * count] of `count` panels, 1 to 4, from `panel` on: each one chain of fused multiply-adds of x and w in
/// ascending k, as a tile of gemm_f32.
using row_function = void (*)(const packed_weights&, const float* x, std::int64_t panel, std::int64_t count,
                              float* y) noexcept;

/// The specification.
struct generic {
  static constexpr isa required = isa::generic;

  static float weight(const packed_weights& p, std::int64_t panel, std::int64_t k, std::int64_t column) noexcept {
    const std::uint8_t* const q = p.at(panel, k);
    const auto v = p.wide ? static_cast<unsigned>(q[column])
                          : static_cast<unsigned>(q[column % 16]) >> (column < 16 ? 0 : 4) & 15u;
    const std::int64_t g = p.grid(panel, k) + column;
    return (static_cast<float>(v) - p.zero[g]) * p.scale[g];
  }

  static void expand(const packed_weights& p, std::int64_t panel, std::int64_t k0, std::int64_t steps,
                     std::int64_t first, std::int64_t columns, float* to) noexcept {
    for (std::int64_t k = k0; k < k0 + steps; ++k)
      for (std::int64_t j = 0; j < columns; ++j) *to++ = weight(p, panel, k, first + j);
  }

  static void row(const packed_weights& p, const float* x, std::int64_t panel, std::int64_t count, float* y) noexcept {
    for (std::int64_t j = 0; j < count * panel_columns; ++j) y[j] = 0.0f;
    for (std::int64_t i = 0; i < count; ++i, y += panel_columns)
      for (std::int64_t k = 0; k < p.k; ++k)
        for (std::int64_t j = 0; j < panel_columns; ++j)
          y[j] = fused::of_build::fma(x[k], weight(p, panel + i, k, j), y[j]);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::nbits_impl
