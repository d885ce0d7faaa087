// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// Writes a .npy array row by row, so that an array larger than memory can be made. Values are little-endian, C order.
class npy_stream {
public:
  /// dtype "|u1" or "<f4"; shape: all rows that will be written.
  npy_stream(const std::filesystem::path& path, const std::string& dtype, const std::vector<std::int64_t>& shape)
      : file_(path, std::ios::binary) {
    std::string extents;
    for (const std::int64_t n : shape) extents += std::to_string(n) + ",";
    std::string header = "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': (" + extents + "), }";
    header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 10 - 1, ' ');
    header += '\n';
    const auto size = static_cast<std::uint16_t>(header.size());
    const char start[10] = {
        '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(size & 0xFF), static_cast<char>(size >> 8)};
    file_.write(start, sizeof(start)).write(header.data(), static_cast<std::streamsize>(header.size()));
  }

  void write(const void* bytes, std::size_t size) {
    file_.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  }

  /// Whether every byte so far was taken by the file system.
  bool finish() {
    file_.close();
    return file_.good();
  }

private:
  std::ofstream file_;
};

}  // namespace dsmm::inline DSMM_ABI::line
