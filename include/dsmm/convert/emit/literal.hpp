// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"

/// Bytes as C++ string literals: the one form that compilers read at tens of megabytes a second (a list of numbers
/// takes 30 times as long).
namespace dsmm::inline DSMM_ABI::convert {

/// Longest literal that a C++ compiler must take; clang++ -Wpedantic warns beyond.
inline constexpr std::size_t max_literal = 65'535;

/// Cuts bytes so that each part can be a literal of its own and the parts, side by side, are the bytes again: each but
/// the last ends in a zero, which is the literal's terminator. A stretch without zeros that is longer than max_literal
/// stays one part: legal, and warned about by clang++ -Wpedantic. Weights have a zero every few hundred bytes.
inline std::vector<std::span<const std::byte>> literal_parts(std::span<const std::byte> bytes) {
  std::vector<std::span<const std::byte>> parts;
  while (bytes.size() > max_literal) {
    std::size_t end = max_literal;
    while (end != 0 && bytes[end - 1] != std::byte{0}) --end;
    if (end == 0) end = max_literal;
    while (end < bytes.size() && bytes[end - 1] != std::byte{0}) ++end;
    if (end == bytes.size()) break;
    parts.push_back(bytes.first(end));
    bytes = bytes.subspan(end);
  }
  parts.push_back(bytes);
  return parts;
}

/// Appends the bytes as one literal on as many lines as it takes, each of at most 120 columns, indented by two.
inline void append_literal(std::string& out, std::span<const std::byte> bytes) {
  constexpr std::size_t columns = 112;
  std::size_t used = 3;
  out += "  \"";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto c = std::to_integer<unsigned>(bytes[i]);
    char text[4];
    std::size_t n = 0;
    if (c >= 32 && c < 127) {
      if (c == '"' || c == '\\' || c == '?') text[n++] = '\\';  // "??" would start a trigraph in older modes
      text[n++] = static_cast<char>(c);
    } else {
      const auto next = i + 1 < bytes.size() ? std::to_integer<unsigned>(bytes[i + 1]) : 0;
      const bool full = next >= '0' && next <= '7';  // an escape ends after three digits, or before a non-digit
      text[n++] = '\\';
      if (c >= 64 || full) text[n++] = static_cast<char>('0' + (c >> 6));
      if (c >= 8 || full) text[n++] = static_cast<char>('0' + (c >> 3 & 7));
      text[n++] = static_cast<char>('0' + (c & 7));
    }
    out.append(text, n);
    used += n;
    if (used >= columns && i + 1 < bytes.size()) {
      out += "\"\n  \"";
      used = 3;
    }
  }
  out += '"';
}

/// A name as a literal.
inline std::string quoted(std::string_view text) {
  std::string out;
  append_literal(out, std::as_bytes(std::span(text)));
  return out.substr(2);
}

}  // namespace dsmm::inline DSMM_ABI::convert
