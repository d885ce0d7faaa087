// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Channels that a u8 pixel has in memory beyond its own: none where the next ones are another tensor's.
constexpr std::int32_t padding_of(extents shape, std::ptrdiff_t pixel) noexcept {
  const std::ptrdiff_t most = (channel_block - shape.c % channel_block) % channel_block, there = pixel - shape.c;
  return static_cast<std::int32_t>(there < most ? there : most);
}

/// Writes the zero point to these channels, as dot products expect.
[[gnu::always_inline]] inline void pad_channels(const tensor_view<std::uint8_t>& y, std::uint8_t* pixel,
                                                std::int32_t zero_point) noexcept {
  const std::int32_t end = y.shape.c + padding_of(y.shape, y.pixel);
  for (std::int32_t c = y.shape.c; c < end; ++c) pixel[c] = static_cast<std::uint8_t>(zero_point);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
