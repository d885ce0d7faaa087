// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/sha256.hpp"
#include "dsmm/model/format.hpp"

namespace dsmm::inline DSMM_ABI {

/// Where the sections of a file that is being written lie. Add them all, place their bytes, seal. Allocates nothing.
class container_layout {
public:
  /// In the order of the file; an empty section is left out. At most 8. Returns nothing: offsets are known at the end.
  void add(format::section_kind kind, std::uint64_t length, std::uint32_t flags = format::section_required) noexcept {
    if (length != 0 && count_ < table_.size()) table_[count_++] = {kind, flags, 0, length, 0, {}};
  }
  /// Bytes of the whole file. Offsets hold after this.
  std::uint64_t place() noexcept {
    std::uint64_t end = sizeof(format::header) + count_ * sizeof(format::section);
    for (format::section& s : std::span(table_).first(count_)) {
      s.offset = (end + format::alignment - 1) / format::alignment * format::alignment;
      end = s.offset + s.length;
    }
    return size_ = end;
  }
  /// The bytes of a section in `file`; empty if it was left out.
  std::span<std::byte> section(std::span<std::byte> file, format::section_kind kind) const noexcept {
    for (const format::section& s : std::span(table_).first(count_))
      if (s.kind == kind) return file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.length));
    return {};
  }
  void copy(std::span<std::byte> file, format::section_kind kind, std::span<const std::byte> bytes) const noexcept {
    if (!bytes.empty()) std::memcpy(section(file, kind).data(), bytes.data(), bytes.size());
  }
  /// Hashes the sections, whose bytes lie in `file` now, and writes table and header. Bytes between sections must be
  /// zero already.
  void seal(std::span<std::byte> file, std::uint16_t minor) noexcept {
    for (format::section& s : std::span(table_).first(count_))
      s.hash = sha256_of(file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.length)));
    const auto table = std::as_bytes(std::span(table_).first(count_));
    format::header header{};
    header.magic = format::magic;
    header.major = format::major_version;
    header.minor = minor;
    header.endian = format::endian_canary;
    header.file_size = size_;
    header.section_count = static_cast<std::uint32_t>(count_);
    header.table_hash = sha256_of(table);
    std::memcpy(file.data(), &header, sizeof(header));
    std::memcpy(file.data() + sizeof(header), table.data(), table.size());
  }

private:
  std::array<format::section, 8> table_{};
  std::size_t count_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
