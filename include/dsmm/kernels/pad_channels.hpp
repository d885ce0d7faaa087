// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Writes the zero point to the channels that a u8 pixel of `y` has in memory beyond its own, as dot products expect.
[[gnu::always_inline]] inline void pad_channels(const tensor_view<std::uint8_t>& y, std::uint8_t* pixel,
                                                std::int32_t zero_point) noexcept {
  for (std::ptrdiff_t c = y.shape.c; c < y.pixel; ++c) pixel[c] = static_cast<std::uint8_t>(zero_point);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
