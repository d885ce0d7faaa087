// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "dsmm/core/sha256.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/format.hpp"

/// A copy of a file whose rows a test changes and whose hashes it then repairs, as an attacker would, so that the check
/// behind the hashes is reached.
class sealed_file {
public:
  explicit sealed_file(std::span<const std::byte> bytes) : sealed_file(bytes, bytes.size()) {}
  /// The first `size` bytes; `size` may be larger, the rest is zero.
  sealed_file(std::span<const std::byte> bytes, std::size_t size) : memory_(take(size)) {
    if (size == 0) return;
    std::memset(data(), 0, size);
    std::memcpy(data(), bytes.data(), size < bytes.size() ? size : bytes.size());
  }

  std::span<std::byte> bytes() { return memory_.bytes(); }
  dsmm::format::header& header() { return at<dsmm::format::header>(0); }
  dsmm::format::section& section(std::size_t i) {
    return at<dsmm::format::section>(sizeof(dsmm::format::header) + i * sizeof(dsmm::format::section));
  }
  dsmm::format::section& section(dsmm::format::section_kind kind) {
    std::size_t i = 0;
    while (section(i).kind != kind) ++i;
    return section(i);
  }
  dsmm::format::graph_header& graph() { return at<dsmm::format::graph_header>(graph_offset()); }
  dsmm::format::tensor_row& tensor(std::size_t i) {
    return at<dsmm::format::tensor_row>(graph_offset() + 32 + i * sizeof(dsmm::format::tensor_row));
  }
  dsmm::format::op_row& op(std::size_t i) {
    return at<dsmm::format::op_row>(graph_offset() + 32 + graph().tensor_count * 72 + i * 32);
  }
  dsmm::format::program_row& program(std::size_t i) {
    return at<dsmm::format::program_row>(graph_offset() + 32 + graph().tensor_count * 72 + graph().op_count * 32 +
                                         i * 16);
  }
  std::uint32_t& index(std::size_t i) { return at<std::uint32_t>(indices_offset() + i * 4); }
  std::int32_t& attribute(std::size_t i) { return at<std::int32_t>(indices_offset() + (graph().index_count + i) * 4); }

  /// Recomputes the hash of every section that lies inside the file, then that of the table.
  sealed_file& seal() {
    const std::size_t table = sizeof(dsmm::format::header);
    if (bytes().size() < table) return *this;
    const std::size_t room = (bytes().size() - table) / sizeof(dsmm::format::section);
    const std::size_t count = header().section_count < room ? header().section_count : room;
    for (std::size_t i = 0; i < count; ++i) {
      dsmm::format::section& s = section(i);
      if (s.offset <= bytes().size() && s.length <= bytes().size() - s.offset)
        s.hash = dsmm::sha256_of(bytes().subspan(s.offset, s.length));
    }
    header().table_hash = dsmm::sha256_of(bytes().subspan(table, count * sizeof(dsmm::format::section)));
    return *this;
  }

private:
  template <class T>
  T& at(std::size_t offset) {
    return *reinterpret_cast<T*>(data() + offset);
  }
  static dsmm::file_bytes take(std::size_t size) {
    dsmm::result<dsmm::file_bytes> memory = dsmm::file_bytes::allocate(size);
    return memory ? std::move(*memory) : dsmm::file_bytes();
  }
  std::byte* data() { return memory_.bytes().data(); }
  std::size_t graph_offset() { return section(dsmm::format::section_kind::graph).offset; }
  std::size_t indices_offset() {
    return graph_offset() + 32 + graph().tensor_count * 72 + graph().op_count * 32 + graph().program_count * 16;
  }

  dsmm::file_bytes memory_;
};
