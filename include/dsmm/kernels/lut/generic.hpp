// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

using u8_table = std::array<std::uint8_t, 256>;

namespace lut_impl {

/// y[i] = table[x[i]], i < n. y may be x.
struct generic {
  static constexpr isa required = isa::generic;

  static void run(const std::uint8_t* x, const u8_table& table, std::size_t n, std::uint8_t* y) noexcept {
    for (std::size_t i = 0; i < n; ++i) y[i] = table[x[i]];
  }
};

}  // namespace lut_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
