// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::verify_impl {

/// Bytes of the UTF-8 character at the start of `text`, or 0 if it is none: overlong, a surrogate, above U+10FFFF, cut
/// off, or a control character.
constexpr std::size_t utf8_length(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = at(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const std::size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((at(i) & 0xC0) != 0x80) return 0;
  if (first == 0xE0 && at(1) < 0xA0) return 0;
  if (first == 0xED && at(1) > 0x9F) return 0;
  if (first == 0xF0 && at(1) < 0x90) return 0;
  if (first == 0xF4 && at(1) > 0x8F) return 0;
  if (first == 0xC2 && at(1) < 0xA0) return 0;  // U+0080..U+009F: control characters too
  return n;
}

/// True for printable UTF-8: what may be shown to an operator as it is.
constexpr bool is_text(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
