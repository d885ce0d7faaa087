// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"

/// The protobuf wire format, as far as ONNX uses it: varints, fixed words and length-delimited fields.
/// A reader looks at bytes that it does not own, copies nothing, and never reads past them.
namespace dsmm::inline DSMM_ABI::convert {

enum class wire_type : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One field of a message. `value` holds varints and fixed words, `bytes` length-delimited ones.
struct wire_field {
  std::uint32_t number = 0;
  wire_type type = wire_type::varint;
  std::uint64_t value = 0;
  std::span<const std::byte> bytes;
  std::int64_t where = 0;  ///< byte offset in the file

  bool is(std::uint32_t n, wire_type t) const noexcept { return number == n && type == t; }
  std::int64_t integer() const noexcept { return static_cast<std::int64_t>(value); }
  float real() const noexcept { return std::bit_cast<float>(static_cast<std::uint32_t>(value)); }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

/// Walks the fields of one message:
///   for (wire_field f; reader.next(f);) …;
///   if (reader.failed()) return reader.error();
class wire_reader {
public:
  /// start: where `bytes` lie in the file, for messages only.
  explicit wire_reader(std::span<const std::byte> bytes, std::int64_t start = 0) noexcept
      : rest_(bytes), size_(bytes.size()), start_(start) {}
  /// A message inside a length-delimited field.
  explicit wire_reader(const wire_field& field) noexcept : wire_reader(field.bytes, field.where) {}

  bool failed() const noexcept { return error_.code != errc::ok; }
  const failure& error() const noexcept { return error_; }
  bool at_end() const noexcept { return rest_.empty(); }

  /// The next field; false at the end and at a defect: truncated, bad_value (groups, tag 0, overlong varint).
  bool next(wire_field& out) noexcept {
    if (failed() || rest_.empty()) return false;
    std::uint64_t tag = 0;
    if (!varint(tag)) return false;
    out.number = static_cast<std::uint32_t>(tag >> 3);
    if (tag >> 3 == 0 || tag >> 32 != 0) return fail(errc::bad_value, "ONNX: a field number is 0 or too large");
    out.bytes = {};
    switch (tag & 7) {
      case 0: out.type = wire_type::varint; break;
      case 1: out.type = wire_type::fixed64; break;
      case 2: out.type = wire_type::bytes; break;
      case 5: out.type = wire_type::fixed32; break;
      default: return fail(errc::bad_value, "ONNX: a field has a wire type that ONNX does not use");
    }
    if (out.type == wire_type::fixed64) return fixed(8, out);
    if (out.type == wire_type::fixed32) return fixed(4, out);
    if (!varint(out.value)) return false;
    if (out.type == wire_type::varint) return true;
    if (out.value > rest_.size()) return fail(errc::truncated, "ONNX: a field is longer than what is left of the file");
    out.where = offset();
    out.bytes = rest_.first(static_cast<std::size_t>(out.value));
    rest_ = rest_.subspan(out.bytes.size());
    return true;
  }

  /// One bare varint of a packed list; false at the end and at a defect.
  bool next_varint(std::uint64_t& out) noexcept { return !failed() && !rest_.empty() && varint(out); }

private:
  std::int64_t offset() const noexcept { return start_ + static_cast<std::int64_t>(size_ - rest_.size()); }

  bool fail(errc code, const char* text) noexcept {
    error_ = {code, text, offset()};
    return false;
  }

  bool varint(std::uint64_t& out) noexcept {
    out = 0;
    for (unsigned i = 0; i < 10; ++i) {
      if (i >= rest_.size()) return fail(errc::truncated, "ONNX: the file ends inside a number");
      const auto b = std::to_integer<std::uint64_t>(rest_[i]);
      if (i == 9 && b > 1) break;
      out |= (b & 0x7F) << (7 * i);
      if (b < 0x80) {
        rest_ = rest_.subspan(i + 1);
        return true;
      }
    }
    return fail(errc::bad_value, "ONNX: a number has more than 64 bits");
  }

  bool fixed(std::size_t bytes, wire_field& out) noexcept {
    if (rest_.size() < bytes) return fail(errc::truncated, "ONNX: the file ends inside a number");
    out.value = 0;
    for (std::size_t i = 0; i < bytes; ++i) out.value |= std::to_integer<std::uint64_t>(rest_[i]) << (8 * i);
    rest_ = rest_.subspan(bytes);
    return true;
  }

  std::span<const std::byte> rest_;
  std::size_t size_;
  std::int64_t start_;
  failure error_;
};

/// Appends a repeated integer field, packed or not. Errors: as wire_reader::next, bad_value (another wire type).
inline result<void> append_integers(const wire_field& field, std::vector<std::int64_t>& to) {
  if (field.type == wire_type::varint) {
    to.push_back(field.integer());
    return {};
  }
  if (field.type != wire_type::bytes) return failure{errc::bad_value, "ONNX: a list of integers is not one"};
  wire_reader packed(field);
  for (std::uint64_t v = 0; packed.next_varint(v);) to.push_back(static_cast<std::int64_t>(v));
  if (packed.failed()) return packed.error();
  return {};
}

/// Appends a repeated float (T = float) or double field, packed or not. Errors: bad_value.
template <class T>
result<void> append_reals(const wire_field& field, std::vector<T>& to) {
  constexpr wire_type single = sizeof(T) == 4 ? wire_type::fixed32 : wire_type::fixed64;
  if (field.type == single) {
    if constexpr (sizeof(T) == 4) to.push_back(field.real());
    else to.push_back(std::bit_cast<double>(field.value));
    return {};
  }
  if (field.type != wire_type::bytes || field.bytes.size() % sizeof(T) != 0)
    return failure{errc::bad_value, "ONNX: a list of floats is not one", field.where};
  const std::size_t old = to.size();
  to.resize(old + field.bytes.size() / sizeof(T));
  if (!field.bytes.empty()) std::memcpy(to.data() + old, field.bytes.data(), field.bytes.size());
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::convert
