// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

using u8_table = std::array<std::uint8_t, 256>;

/// Runs of bytes, `x_step` and `y_step` apart: y[r][i] = table[x[r][i]], r < runs, i < length. y may be x.
struct lut_runs {
  const std::uint8_t* x;
  std::ptrdiff_t x_step;
  std::uint8_t* y;
  std::ptrdiff_t y_step;
  std::size_t runs, length;
};

namespace lut_impl {

struct generic {
  static constexpr isa required = isa::generic;

  static void run(const u8_table& table, const lut_runs& r) noexcept {
    for (std::size_t k = 0; k < r.runs; ++k) {
      const auto at = static_cast<std::ptrdiff_t>(k);
      rest(table, r.x + at * r.x_step, r.y + at * r.y_step, r.length);
    }
  }

  static void rest(const u8_table& table, const std::uint8_t* x, std::uint8_t* y, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) y[i] = table[x[i]];
  }
};

}  // namespace lut_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
