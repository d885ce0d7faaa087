// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/unary.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd {

/// A function over rows of `count` elements that lie `pitch` apart, in place. Short rows are gathered first: starting
/// one of the long functions costs as much as some 10 elements.
inline void unary_rows(unary_fn f, float a, float b, float* y, std::int64_t pitch, std::int64_t rows,
                       std::int64_t count) noexcept {
  constexpr std::int64_t room = 1024;
  if (count > room / 2 || !unary_impl::is_long(f)) {
    for (std::int64_t r = 0; r < rows; ++r)
      unary_real(f, a, b, y + r * pitch, y + r * pitch, static_cast<std::size_t>(count));
    return;
  }
  alignas(64) float held[room];
  for (std::int64_t r = 0, n = 0; r < rows && count != 0; r += n) {
    n = std::min(room / count, rows - r);
    for (std::int64_t i = 0; i < n; ++i) copy_floats(held + i * count, y + (r + i) * pitch, count);
    unary_real(f, a, b, held, held, static_cast<std::size_t>(n * count));
    for (std::int64_t i = 0; i < n; ++i) copy_floats(y + (r + i) * pitch, held + i * count, count);
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
