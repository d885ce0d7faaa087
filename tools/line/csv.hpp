// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// A comma-separated table without quoting: a header line, then rows.
struct csv_table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;

  /// Index of the column, or nothing.
  std::optional<std::size_t> column(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < header.size(); ++i)
      if (header[i] == name) return i;
    return std::nullopt;
  }
};

inline std::vector<std::string> split_csv_line(std::string_view line) {
  std::vector<std::string> cells;
  while (true) {
    const std::size_t comma = line.find(',');
    std::string_view cell = line.substr(0, comma);
    while (!cell.empty() &&
           (cell.front() == ' ' || cell.front() == '\xEF' || cell.front() == '\xBB' || cell.front() == '\xBF'))
      cell.remove_prefix(1);
    while (!cell.empty() && (cell.back() == ' ' || cell.back() == '\r')) cell.remove_suffix(1);
    cells.emplace_back(cell);
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

/// Reads a table; nothing if the file cannot be read or has no header. Rows may be shorter than the header.
inline std::optional<csv_table> read_csv(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  csv_table table;
  if (!std::getline(file, line)) return std::nullopt;
  table.header = split_csv_line(line);
  while (std::getline(file, line))
    if (!line.empty() && line != "\r") table.rows.push_back(split_csv_line(line));
  return table;
}

/// The number in a cell, or nothing if the cell is absent or is anything else.
inline std::optional<double> number(const std::vector<std::string>& row, std::size_t column) noexcept {
  if (column >= row.size() || row[column].empty()) return std::nullopt;
  double value = 0;
  const char* const end = row[column].data() + row[column].size();
  const auto [stop, error] = std::from_chars(row[column].data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

}  // namespace dsmm::inline DSMM_ABI::line
