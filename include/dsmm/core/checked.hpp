// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// A size that remembers whether any step of its computation left [0, 2^63). Sizes read from files are only ever
/// combined through this type; valid() is asked once, before the first allocation.
class checked_size {
public:
  constexpr checked_size(std::uint64_t value = 0) noexcept : value_(value), valid_(value <= limit) {}
  constexpr bool valid() const noexcept { return valid_; }
  /// Meaningful only if valid().
  constexpr std::uint64_t value() const noexcept { return value_; }

  friend constexpr checked_size operator+(checked_size a, checked_size b) noexcept {
    return make(a.value_ + b.value_, a.valid_ && b.valid_ && a.value_ <= limit - b.value_);
  }
  friend constexpr checked_size operator*(checked_size a, checked_size b) noexcept {
    return make(a.value_ * b.value_, a.valid_ && b.valid_ && (b.value_ == 0 || a.value_ <= limit / b.value_));
  }
  /// Next multiple of `alignment` (a power of two).
  constexpr checked_size aligned(std::uint64_t alignment) const noexcept {
    const checked_size up = *this + checked_size(alignment - 1);
    return make(up.value_ & ~(alignment - 1), up.valid_);
  }

private:
  static constexpr std::uint64_t limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  static constexpr checked_size make(std::uint64_t value, bool valid) noexcept {
    checked_size s;
    s.value_ = value;
    s.valid_ = valid;
    return s;
  }
  std::uint64_t value_ = 0;
  bool valid_ = true;
};

/// Next multiple of `to`, to > 0; for sizes that are already known to be small.
constexpr std::size_t round_up(std::size_t value, std::size_t to) noexcept { return (value + to - 1) / to * to; }

}  // namespace dsmm::inline DSMM_ABI
