// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/verify/container.hpp"
#include "dsmm/model/verify/text.hpp"

/// META and SELFTEST: what surrounds the graph.
namespace dsmm::inline DSMM_ABI::verify_impl {

inline bool is_key(std::string_view key) noexcept {
  for (const char c : key)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
          c == '-'))
      return false;
  return !key.empty() && key.size() <= format::max_name;
}

/// Lines `key=value`, each key once. `where` is the line, from 0.
inline result<void> check_meta(std::string_view meta) noexcept {
  if (meta.size() > format::max_meta) return failure{errc::too_large, "META: more than 64 KiB"};
  std::string_view keys[format::max_meta_lines];
  std::uint32_t count = 0;
  while (!meta.empty()) {
    const std::string_view line = meta.substr(0, meta.find('\n'));
    meta.remove_prefix(line.size() < meta.size() ? line.size() + 1 : line.size());
    if (count == format::max_meta_lines) return failure{errc::too_large, "META: more than 512 lines", count};
    const std::string_view key = line.substr(0, line.find('='));
    if (key.size() == line.size() || !is_key(key))
      return failure{errc::bad_value, "META: a line must be key=value, the key of letters, digits and . _ -", count};
    if (!is_text(line)) return failure{errc::bad_value, "META: a line is not printable UTF-8", count};
    for (std::uint32_t i = 0; i < count; ++i)
      if (keys[i] == key)
        return failure{errc::bad_value, "META: a key appears twice", count}.named(key.data(), key.size());
    keys[count++] = key;
  }
  return {};
}

inline result<void> split_self_tests(std::span<const std::byte> section, model_rows& rows) noexcept {
  const std::size_t count = section.size() / sizeof(format::self_test_row);
  if (section.size() % sizeof(format::self_test_row) != 0 || count > format::max_self_tests)
    return failure{errc::bad_layout, "SELFTEST: must hold 1 to 64 rows of 48 bytes"};
  rows.self_tests = rows_at<format::self_test_row>(section, 0, count);
  for (std::size_t i = 0; i < count; ++i) {
    const format::self_test_row& row = rows.self_tests[i];
    if (row.program >= rows.programs.size())
      return failure{errc::bad_index, "SELFTEST: no such program", static_cast<std::int64_t>(i)};
    if (row.runs == 0 || row.runs > format::max_self_test_runs)
      return failure{errc::bad_value, "SELFTEST: runs must be 1 to 4096", static_cast<std::int64_t>(i)};
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
