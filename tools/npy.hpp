// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/file.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// Element types that dsmm exchanges through .npy files; all little-endian.
enum class npy_type : std::uint8_t { u8, i8, i16, i32, i64, f32, f64, u16, u32, u64, f16, b8 };

struct npy_type_row {
  npy_type type;
  const char* descr;  ///< as in the header of the file
  std::size_t bytes;
};

inline constexpr npy_type_row npy_types[] = {
    {npy_type::u8, "|u1", 1},  {npy_type::i8, "|i1", 1},  {npy_type::i16, "<i2", 2}, {npy_type::i32, "<i4", 4},
    {npy_type::i64, "<i8", 8}, {npy_type::f32, "<f4", 4}, {npy_type::f64, "<f8", 8}, {npy_type::u16, "<u2", 2},
    {npy_type::u32, "<u4", 4}, {npy_type::u64, "<u8", 8}, {npy_type::f16, "<f2", 2}, {npy_type::b8, "|b1", 1}};

template <class T>
constexpr npy_type npy_type_of() noexcept {
  if constexpr (std::is_same_v<T, std::uint8_t>) return npy_type::u8;
  else if constexpr (std::is_same_v<T, std::int8_t>) return npy_type::i8;
  else if constexpr (std::is_same_v<T, std::int16_t>) return npy_type::i16;
  else if constexpr (std::is_same_v<T, std::int32_t>) return npy_type::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>) return npy_type::i64;
  else if constexpr (std::is_same_v<T, float>) return npy_type::f32;
  else {
    static_assert(std::is_same_v<T, double>);
    return npy_type::f64;
  }
}

constexpr const npy_type_row& row_of(npy_type type) noexcept { return npy_types[static_cast<std::size_t>(type)]; }

/// An array in C order. Data are bytes of the file, so an array costs no copy.
struct npy_view {
  npy_type type = npy_type::u8;
  std::vector<std::int64_t> shape;  ///< at most 8 extents, each >= 0; empty: one element
  std::span<const std::byte> data;  ///< exactly the product of shape, times the element size

  std::size_t count() const noexcept { return data.size() / row_of(type).bytes; }
  /// Copies element i, whatever its alignment. T must be the array's type.
  template <class T>
  T element(std::size_t i) const noexcept {
    T value;
    std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
    return value;
  }
};

namespace npy_impl {

/// Reads the Python dictionary of a header: only the three keys that the format has, in any order.
class header_reader {
public:
  explicit header_reader(std::string_view text) noexcept : rest_(text) {}

  result<npy_view> read() {
    npy_view out;
    bool seen[3] = {};
    if (!take('{')) return bad();
    while (!take('}')) {
      std::string_view key;
      if (!quoted(key) || !take(':')) return bad();
      const std::size_t which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : 3;
      if (which == 3 || seen[which]) return bad();
      seen[which] = true;
      if (which == 0) {
        std::string_view descr;
        if (!quoted(descr)) return failure{errc::unsupported, "npy: arrays of records are not supported"};
        const auto row = std::find_if(std::begin(npy_types), std::end(npy_types),
                                      [&](const npy_type_row& r) { return descr == r.descr; });
        if (row == std::end(npy_types))
          return failure{errc::unsupported,
                         "npy: element type must be bool, u1..u8, i1..i8, f2, f4 or f8, little-endian"};
        out.type = row->type;
      } else if (which == 1) {
        if (word("True")) return failure{errc::unsupported, "npy: array is in Fortran order; save it in C order"};
        if (!word("False")) return bad();
      } else if (!shape(out.shape)) {
        return bad();
      }
      if (!take(',') && peek() != '}') return bad();
    }
    skip();
    if (!rest_.empty() || !seen[0] || !seen[1] || !seen[2]) return bad();
    return out;
  }

private:
  static failure bad() noexcept { return {errc::bad_value, "npy: header is not the dictionary that numpy writes", 10}; }

  void skip() noexcept {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  char peek() noexcept {
    skip();
    return rest_.empty() ? '\0' : rest_[0];
  }
  bool take(char c) noexcept {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view w) noexcept {
    skip();
    if (!rest_.starts_with(w)) return false;
    rest_.remove_prefix(w.size());
    return true;
  }
  bool quoted(std::string_view& out) noexcept {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    out = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool shape(std::vector<std::int64_t>& out) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip();
      std::int64_t n = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n);
      if (error != std::errc() || n < 0 || out.size() == 8) return false;
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      out.push_back(n);
      if (!take(',') && peek() != ')') return false;
    }
    return true;
  }

  std::string_view rest_;
};

}  // namespace npy_impl

/// Looks at the bytes of a .npy file, version 1 or 2, which must outlive the view. Never trusts a length of the header.
/// Errors: bad_magic, bad_version, truncated, bad_layout (bytes behind the array), bad_value, too_large, unsupported.
inline result<npy_view> parse_npy(std::span<const std::byte> file) {
  constexpr std::array<std::uint8_t, 6> magic{0x93, 'N', 'U', 'M', 'P', 'Y'};
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(file[i]); };
  if (file.size() < 10) return failure{errc::truncated, "npy: file ends inside its header", 0};
  for (std::size_t i = 0; i < magic.size(); ++i)
    if (byte(i) != magic[i]) return failure{errc::bad_magic, "this is not a .npy file", 0};
  if ((byte(6) != 1 && byte(6) != 2) || byte(7) != 0)
    return failure{errc::bad_version, "npy: version must be 1.0 or 2.0", 6};
  const std::size_t start = byte(6) == 1 ? 10 : 12;
  if (file.size() < start) return failure{errc::truncated, "npy: file ends inside its header", 8};
  std::size_t length = byte(8) | byte(9) << 8;
  if (start == 12) length |= byte(10) << 16 | byte(11) << 24;
  if (length > 65'536) return failure{errc::too_large, "npy: header is longer than 64 KiB", 8};
  if (length > file.size() - start) return failure{errc::truncated, "npy: file ends inside its header", 8};
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + start, length);
  result<npy_view> out = npy_impl::header_reader(text).read();
  if (!out) return out;
  checked_size bytes(row_of(out->type).bytes);
  for (const std::int64_t n : out->shape) bytes = bytes * checked_size(static_cast<std::uint64_t>(n));
  if (!bytes.valid()) return failure{errc::too_large, "npy: shape is larger than memory can be"};
  const std::size_t there = file.size() - start - length;
  if (there < bytes.value()) return failure{errc::truncated, "npy: file is shorter than its shape says"};
  if (there > bytes.value()) return failure{errc::bad_layout, "npy: bytes follow the array"};
  out->data = file.subspan(start + length);
  return out;
}

/// The bytes of a version 1 file, data aligned to 64 as numpy does it.
inline std::vector<std::byte> npy_bytes(npy_type type, std::span<const std::int64_t> shape,
                                        std::span<const std::byte> data) {
  std::string header = "{'descr': '";
  header.append(row_of(type).descr).append("', 'fortran_order': False, 'shape': (");
  for (const std::int64_t n : shape) header.append(std::to_string(n)).append(shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) header.resize(header.size() - 2);
  header += "), }";
  header.resize(round_up(10 + header.size() + 1, 64) - 11, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xFF);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  const auto text = std::as_bytes(std::span(file));
  std::vector<std::byte> out(text.begin(), text.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}
template <class T>
std::vector<std::byte> npy_bytes(std::span<const std::int64_t> shape, std::span<const T> values) {
  return npy_bytes(npy_type_of<T>(), shape, std::as_bytes(values));
}

/// Errors: io.
template <class T>
result<void> write_npy(const char* path, std::span<const std::int64_t> shape, std::span<const T> values) {
  return write_file(path, npy_bytes(shape, values));
}

}  // namespace dsmm::inline DSMM_ABI::tools
