// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// The memory of a streaming layer: the newest `rows` rows, always readable as one contiguous block, oldest first.
/// Every row is written twice, `capacity` rows apart, so that a push costs two copies of the new rows whatever the
/// history is long, and no reader ever sees a seam. Lives in the arena; owns nothing.
struct state_ring {
  std::byte* data = nullptr;  ///< 2 * capacity rows
  std::size_t row_bytes = 0;
  std::uint32_t rows = 0;      ///< what a reader of the state sees
  std::uint32_t capacity = 0;  ///< rows + the newest ones that a convolution reads along with them
  std::uint32_t head = 0;      ///< where the next row goes

  static constexpr std::size_t size(std::size_t capacity, std::size_t row_bytes) noexcept {
    return 2 * capacity * row_bytes;
  }

  /// The newest n rows, n <= capacity; valid until the next push.
  const std::byte* newest(std::uint32_t n) const noexcept { return data + (head + capacity - n) * row_bytes; }
  const std::byte* view() const noexcept { return newest(rows); }

  /// Appends `count` rows of `bytes` <= row_bytes that lie `stride` bytes apart; what a row has more stays as it is.
  void push(const std::byte* source, std::size_t stride, std::size_t bytes, std::uint32_t count) noexcept {
    const std::uint32_t skip = count > capacity ? count - capacity : 0;
    for (std::uint32_t i = skip; i < count; ++i) {
      const std::byte* row = source + i * stride;
      std::memcpy(data + head * row_bytes, row, bytes);
      std::memcpy(data + (head + capacity) * row_bytes, row, bytes);
      head = head + 1 == capacity ? 0 : head + 1;
    }
  }

  /// Forgets everything: each byte becomes `value` (the zero point of a u8 state).
  void reset(std::uint8_t value) noexcept {
    std::memset(data, value, size(capacity, row_bytes));
    head = 0;
  }
};

}  // namespace dsmm::inline DSMM_ABI
