// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/sha256.hpp"
#include "dsmm/model/model_rows.hpp"

/// First layer of the verifier: header, section table, tiling, hashes. `where` of its failures is a byte offset for the
/// header and a section's index for the rest.
namespace dsmm::inline DSMM_ABI::verify_impl {

inline bool all_zero(std::span<const std::byte> bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

template <class T>
std::span<const T> rows_at(std::span<const std::byte> bytes, std::size_t offset, std::size_t count) noexcept {
  return {reinterpret_cast<const T*>(bytes.data() + offset), count};
}

inline result<void> check_header(std::span<const std::byte> file, model_rows& rows) noexcept {
  if (reinterpret_cast<std::uintptr_t>(file.data()) % format::alignment != 0)
    return failure{errc::invalid_argument, "file bytes must start at a multiple of 64; read_file() does that"};
  if (file.size() > format::max_file) return failure{errc::too_large, "file is larger than 4 GiB"};
  if (file.size() < format::magic.size() || !std::equal(format::magic.begin(), format::magic.end(), file.begin(),
                                                        [](std::uint8_t a, std::byte b) { return std::byte{a} == b; }))
    return failure{errc::bad_magic, "this is not a .dsmm file", 0};
  if (file.size() < sizeof(format::header)) return failure{errc::truncated, "file ends inside its header", 0};
  const format::header& h = rows_at<format::header>(file, 0, 1).front();
  if (h.endian != format::endian_canary) return failure{errc::bad_value, "header: byte order mark is damaged", 12};
  if (h.major != format::major_version || h.minor > format::minor_version)
    return failure{errc::bad_version, "file was made for another version of the format", 8};
  if (h.file_size > file.size()) return failure{errc::truncated, "file is shorter than its header says", 16};
  if (h.file_size < file.size()) return failure{errc::bad_layout, "file is longer than its header says", 16};
  if (h.section_count == 0 || h.section_count > format::max_sections)
    return failure{errc::too_large, "header: a file has 1 to 64 sections", 24};
  if (h.reserved0 != 0 || !all_zero(std::as_bytes(std::span(h.reserved1))))
    return failure{errc::bad_value, "header: reserved bytes must be zero", 28};
  const std::size_t table_bytes = h.section_count * sizeof(format::section);
  if (file.size() - sizeof(format::header) < table_bytes)
    return failure{errc::truncated, "file ends inside its section table", sizeof(format::header)};
  if (sha256_of(file.subspan(sizeof(format::header), table_bytes)) != h.table_hash)
    return failure{errc::bad_hash, "section table was damaged after writing", sizeof(format::header)};
  rows.header = &h;
  rows.sections = rows_at<format::section>(file, sizeof(format::header), h.section_count);
  return {};
}

/// Sections start at the next multiple of 64 after their predecessor, the gap is zero, the last one ends the file.
inline result<void> check_tiling(std::span<const std::byte> file, const model_rows& rows) noexcept {
  std::uint64_t end = sizeof(format::header) + rows.sections.size_bytes();
  for (std::size_t i = 0; i < rows.sections.size(); ++i) {
    const format::section& s = rows.sections[i];
    const auto where = static_cast<std::int64_t>(i);
    if ((s.flags & ~format::section_required) != 0 || s.reserved != 0)
      return failure{errc::bad_value, "section: unknown flags or reserved bytes", where};
    for (std::size_t j = 0; j < i; ++j)
      if (rows.sections[j].kind == s.kind) return failure{errc::bad_layout, "section: its kind appears twice", where};
    const std::uint64_t start = checked_size(end).aligned(format::alignment).value();
    if (s.offset != start)
      return failure{errc::bad_layout, "section must start at the next multiple of 64 after the one before", where};
    if (s.length == 0) return failure{errc::bad_layout, "section is empty; leave it out instead", where};
    if (start > file.size() || s.length > file.size() - start)
      return failure{errc::truncated, "section reaches beyond the end of the file", where};
    if (!all_zero(file.subspan(static_cast<std::size_t>(end), static_cast<std::size_t>(start - end))))
      return failure{errc::bad_layout, "bytes between sections must be zero", where};
    end = start + s.length;
  }
  if (end != file.size())
    return failure{errc::bad_layout, "bytes follow the last section", static_cast<std::int64_t>(end)};
  return {};
}

inline bool is_known(format::section_kind kind) noexcept {
  switch (kind) {
    case format::section_kind::graph:
    case format::section_kind::strings:
    case format::section_kind::weights:
    case format::section_kind::meta:
    case format::section_kind::variants:
    case format::section_kind::selftest: return true;
    case format::section_kind::fit:
    case format::section_kind::signature: return false;
  }
  return false;
}

/// Hashes every section, also those that this version does not read: what is damaged is never run.
inline result<void> check_sections(std::span<const std::byte> file, const model_rows& rows) noexcept {
  for (std::size_t i = 0; i < rows.sections.size(); ++i) {
    const format::section& s = rows.sections[i];
    const auto where = static_cast<std::int64_t>(i);
    if (!is_known(s.kind) && (s.flags & format::section_required) != 0)
      return failure{errc::unsupported, "section is required, but this version of dsmm does not know it", where};
    if (sha256_of(file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.length))) != s.hash)
      return failure{errc::bad_hash, "section was damaged after writing", where};
  }
  return {};
}

/// Bytes of the section of that kind; empty if the file has none.
inline std::span<const std::byte> section_bytes(std::span<const std::byte> file, const model_rows& rows,
                                                format::section_kind kind) noexcept {
  for (const format::section& s : rows.sections)
    if (s.kind == kind) return file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.length));
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
