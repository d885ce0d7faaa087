// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/fixed_array.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI {

/// Rows of floats addressed by absolute index; row i replaces row i - capacity. Each row is kept twice, `capacity` rows
/// apart, so that any run of at most `capacity` rows is one contiguous block and a window costs no copy.
class sample_ring {
public:
  sample_ring() noexcept = default;

  /// rows > 0 (rounded up to a power of two), width > 0 floats per row. Zeroed; the only allocation.
  /// Errors: bad_value (rows or width is 0), too_large (no memory, or above 2^32 floats).
  static result<sample_ring> make(std::size_t rows, std::size_t width) noexcept {
    constexpr std::size_t cap = std::size_t{1} << 32;
    if (rows == 0 || width == 0) return failure{errc::bad_value, "sample_ring: rows and width must be above 0"};
    if (rows > cap / 4 || width > cap / 4 / std::bit_ceil(rows))
      return failure{errc::too_large, "sample_ring: shorten the window or lower the rate"};
    sample_ring ring;
    ring.capacity_ = std::bit_ceil(rows);
    ring.width_ = width;
    ring.data_ = fixed_array<float>(2 * ring.capacity_ * width);
    if (!ring.data_.valid()) return failure{errc::too_large, "sample_ring: not enough memory"};
    return ring;
  }

  std::int64_t capacity() const noexcept { return static_cast<std::int64_t>(capacity_); }
  std::size_t width() const noexcept { return width_; }

  /// Where row `index` >= 0 is written; commit() makes it readable.
  float* row(std::int64_t index) noexcept { return data_.data() + slot(index) * width_; }
  /// Copies the row to its second place.
  void commit(std::int64_t index) noexcept {
    const float* const from = row(index);
    float* const to = data_.data() + (slot(index) + capacity_) * width_;
    for (std::size_t i = 0; i < width_; ++i) to[i] = from[i];
  }
  /// Rows [first, first + capacity), contiguous. Which of them hold data is the owner's knowledge.
  const float* view(std::int64_t first) const noexcept { return data_.data() + slot(first) * width_; }

private:
  std::size_t slot(std::int64_t index) const noexcept { return static_cast<std::size_t>(index) & (capacity_ - 1); }

  fixed_array<float> data_;
  std::size_t capacity_ = 0;
  std::size_t width_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
