// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Expands I4S weights to the int8 values they stand for: w8[r][k] = (nibble - 8) * scale of row r and group k / group.
/// i4s  i4s_bytes(rows, depth, group) bytes: nibbles, low one first, each row padded to a byte; then the scales, 1
/// .. 16. w8   s8 (rows, depth), written. (nibble - 8) * 16 >= -128, so nothing is lost.
inline void expand_i4s(const std::uint8_t* i4s, std::size_t rows, std::size_t depth, std::size_t group,
                       std::int8_t* w8) noexcept {
  const std::size_t row_bytes = (depth + 1) / 2;
  const std::size_t groups = group == 0 ? 0 : (depth + group - 1) / group;
  const std::uint8_t* const scales = i4s + rows * row_bytes;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t k = 0; k < depth; ++k) {
      const int nibble = i4s[r * row_bytes + k / 2] >> (4 * (k % 2)) & 15;
      const int scale = group == 0 ? 16 : scales[r * groups + k / group];
      *w8++ = static_cast<std::int8_t>((nibble - 8) * scale);
    }
}

}  // namespace dsmm::inline DSMM_ABI::kernels
