// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// A line of text of at most 95 characters, built without allocation; what does not fit is cut.
/// Numbers come out the same in every locale.
class text_line {
public:
  std::string_view view() const noexcept { return {text_.data(), size_}; }

  text_line& operator<<(std::string_view text) noexcept {
    for (const char c : text) put(c);
    return *this;
  }
  text_line& operator<<(std::int64_t value) noexcept {
    if (value < 0) put('-');
    return digits(value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value), 1);
  }
  /// A number with `decimals` (0..6) digits after the point, half away from zero; "-" for NaN, ">999999" beyond.
  text_line& fixed(double value, std::uint32_t decimals) noexcept {
    if (value != value) return *this << "-";
    const bool negative = value < 0;
    if (negative) value = -value, put('-');
    if (value > 999999) return *this << ">999999";
    std::uint64_t unit = 1;
    for (std::uint32_t i = 0; i < decimals; ++i) unit *= 10;
    const auto scaled = static_cast<std::uint64_t>(value * static_cast<double>(unit) + 0.5);
    digits(scaled / unit, 1);
    if (decimals == 0) return *this;
    put('.');
    return digits(scaled % unit, decimals);
  }

private:
  void put(char c) noexcept {
    if (size_ < text_.size()) text_[size_++] = c;
  }
  text_line& digits(std::uint64_t value, std::size_t at_least) noexcept {
    std::array<char, std::numeric_limits<std::uint64_t>::digits10 + 1> reversed{};
    std::size_t n = 0;
    for (; value != 0 || n < at_least; value /= 10) reversed[n++] = static_cast<char>('0' + value % 10);
    while (n != 0) put(reversed[--n]);
    return *this;
  }

  std::array<char, 95> text_{};
  std::size_t size_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
