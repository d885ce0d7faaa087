// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI {

constexpr bool has_halo(const tensor_layout& l) noexcept { return l.top + l.left + l.bottom + l.right != 0; }

/// The frame around a u8 tensor becomes `value`, its zero point, so that padding reads as 0.0.
inline void fill_halo(const ops::operand& o, const tensor_layout& l, std::int32_t value) noexcept {
  auto* const first = reinterpret_cast<std::uint8_t*>(o.data);
  auto* const origin = first - l.top * o.row - l.left * o.pixel;
  const auto bytes = [](std::ptrdiff_t n) { return static_cast<std::size_t>(n); };
  std::memset(origin, value, bytes(l.top * o.row + l.left * o.pixel));
  const std::ptrdiff_t inside = o.shape.w * o.pixel, gap = o.row - inside;
  for (std::ptrdiff_t y = 0; y + 1 < o.shape.h; ++y) std::memset(first + y * o.row + inside, value, bytes(gap));
  std::memset(first + (o.shape.h - 1) * o.row + inside, value, bytes(l.right * o.pixel + l.bottom * o.row));
}

}  // namespace dsmm::inline DSMM_ABI
