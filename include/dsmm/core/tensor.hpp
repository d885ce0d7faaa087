// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"

namespace dsmm::inline DSMM_ABI {

/// Extents of an activation, always (H, W, C). A series of T steps is (T, 1, C), a vector is (1, 1, C).
struct extents {
  std::int32_t h = 1, w = 1, c = 1;
  friend constexpr bool operator==(const extents&, const extents&) = default;
  constexpr std::int64_t count() const noexcept { return std::int64_t{h} * w * c; }
};

/// A strided window on (H, W, C) elements; channels are contiguous. Owns nothing.
/// Strides are in elements. A view into a planned tensor has a readable halo around it (see tensor_layout).
template <class T>
struct tensor_view {
  T* data = nullptr;
  extents shape{};
  std::ptrdiff_t row = 0;    ///< elements from (y, x, 0) to (y + 1, x, 0)
  std::ptrdiff_t pixel = 0;  ///< elements from (y, x, 0) to (y, x + 1, 0)

  constexpr T* at(std::ptrdiff_t y, std::ptrdiff_t x) const noexcept { return data + y * row + x * pixel; }
  constexpr operator tensor_view<const T>() const noexcept { return {data, shape, row, pixel}; }
};

/// A dense view of contiguous (H, W, C) elements.
template <class T>
constexpr tensor_view<T> dense_view(T* data, extents shape) noexcept {
  return {data, shape, std::ptrdiff_t{shape.w} * shape.c, shape.c};
}

/// How one activation lies in the arena: (top + H + bottom) rows of (left + W + right) pixels of `channels` elements.
/// u8 tensors that ops write round channels up to 4 so that a dot product reads whole dwords; the extra ones hold the
/// zero point. Inputs are not rounded: a caller copies pictures in as they are.
/// The halo holds the zero point too: a convolution reads its padding instead of testing for it.
struct tensor_layout {
  std::int32_t top = 0, left = 0, bottom = 0, right = 0;
  std::int32_t channels = 0;
};

/// Multiple to which u8 channels are rounded in memory.
inline constexpr std::int32_t channel_block = 4;

}  // namespace dsmm::inline DSMM_ABI
