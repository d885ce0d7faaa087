// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/onnx_external.hpp"
#include "dsmm/convert/onnx_graph.hpp"
#include "dsmm/convert/utf8.hpp"
#include "dsmm/convert/wire.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::onnx {

/// An element type by its number in ONNX. `bits` are those of one element in raw_data.
struct type_row {
  std::int32_t number;
  std::optional<dtype> type;
  std::uint8_t bits;
  const char* name;
};

inline constexpr type_row type_rows[] = {
    {1, dtype::f32, 32, "float"},
    {2, dtype::u8, 8, "uint8"},
    {3, dtype::s8, 8, "int8"},
    {4, dtype::u16, 16, "uint16"},
    {5, dtype::s16, 16, "int16"},
    {6, dtype::s32, 32, "int32"},
    {7, dtype::s64, 64, "int64"},
    {8, std::nullopt, 0, "string"},
    {9, dtype::b8, 8, "bool"},
    {10, dtype::f16, 16, "float16"},
    {11, dtype::f64, 64, "double"},
    {12, dtype::u32, 32, "uint32"},
    {13, dtype::u64, 64, "uint64"},
    {14, std::nullopt, 64, "complex64"},
    {15, std::nullopt, 128, "complex128"},
    {16, dtype::bf16, 16, "bfloat16"},
    {17, dtype::f8e4m3fn, 8, "float8e4m3fn"},
    {18, dtype::f8e4m3fnuz, 8, "float8e4m3fnuz"},
    {19, dtype::f8e5m2, 8, "float8e5m2"},
    {20, dtype::f8e5m2fnuz, 8, "float8e5m2fnuz"},
    {21, dtype::u4, 4, "uint4"},
    {22, dtype::s4, 4, "int4"},
    {23, std::nullopt, 4, "float4e2m1"},
    {24, std::nullopt, 8, "float8e8m0"},
    {25, std::nullopt, 2, "uint2"},
    {26, std::nullopt, 2, "int2"},
};

constexpr const type_row* find_type(std::int64_t number) noexcept {
  for (const type_row& r : type_rows)
    if (r.number == number) return &r;
  return nullptr;
}

namespace tensor_impl {

inline failure bad_tensor(errc code, const char* text, std::string_view name) noexcept {
  return failure{code, text}.named(name.data(), name.size());
}

/// The data fields of a TensorProto, of which at most one may be set.
struct fields {
  std::vector<float> reals;
  std::vector<double> doubles;
  std::vector<std::int64_t> integers;
  std::uint32_t seen[4] = {};  ///< numbers of the data fields that are set
  std::size_t seen_count = 0;
  std::span<const std::byte> raw;
  bool has_raw = false, is_external = false;
  external_reference external;

  bool sets(std::uint32_t number) noexcept {
    for (std::size_t i = 0; i < seen_count; ++i)
      if (seen[i] == number) return true;
    if (seen_count == 4) return false;
    seen[seen_count++] = number;
    return true;
  }
};

/// 4-bit values leave their bytes: low half first; s4 is sign-extended.
inline std::vector<std::byte> unpack4(std::span<const std::byte> packed, std::size_t count, bool is_signed) {
  std::vector<std::byte> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto b = std::to_integer<std::uint32_t>(packed[i / 2]);
    const std::uint32_t nibble = i % 2 == 0 ? b & 15 : b >> 4;
    out[i] = static_cast<std::byte>(is_signed && nibble >= 8 ? nibble | 0xF0u : nibble);
  }
  return out;
}

/// Integers of int32_data, int64_data or uint64_data as elements of `bytes` bytes, low bytes first.
inline std::vector<std::byte> narrow(std::span<const std::int64_t> values, std::size_t bytes) {
  std::vector<std::byte> out(values.size() * bytes);
  for (std::size_t i = 0; i < values.size(); ++i)
    std::memcpy(out.data() + i * bytes, &values[i], bytes);  // little-endian host
  return out;
}

template <class T>
std::vector<std::byte> bytes_of(std::span<const T> values) {
  const auto b = std::as_bytes(values);
  return {b.begin(), b.end()};
}

/// Which typed field holds elements of a type, by the rules of onnx.proto.
constexpr std::uint32_t typed_field(dtype type) noexcept {
  switch (type) {
    case dtype::f32: return 4;
    case dtype::f64: return 10;
    case dtype::s64: return 7;
    case dtype::u32:
    case dtype::u64: return 11;
    default: return 5;
  }
}

inline result<void> read_fields(const wire_field& message, tensor& out, fields& data, std::int64_t& number) {
  wire_reader reader(message);
  for (wire_field f; reader.next(f);) {
    result<void> ok;
    bool is_data = false;
    switch (f.number) {
      case 1: ok = append_integers(f, out.dims); break;
      case 2: number = f.integer(); break;
      case 4: ok = append_reals(f, data.reals), is_data = true; break;
      case 5:
      case 7:
      case 11: ok = append_integers(f, data.integers), is_data = true; break;
      case 6: is_data = true; break;
      case 8: out.name = f.text(); break;
      case 9: data.raw = f.bytes, data.has_raw = is_data = true; break;
      case 10: ok = append_reals(f, data.doubles), is_data = true; break;
      case 13: ok = data.external.add(f); break;
      case 14: data.is_external = f.value == 1; break;
      case 3: return bad_tensor(errc::unsupported, "ONNX: a tensor is stored in segments", out.name);
      default: break;
    }
    if (!ok) return ok.error();
    if (is_data && !data.sets(f.number))
      return bad_tensor(errc::bad_value, "ONNX: a tensor has data in many fields", out.name);
    if (out.dims.size() > max_rank)
      return bad_tensor(errc::too_large, "ONNX: a tensor has over 8 dimensions", out.name);
  }
  if (reader.failed()) return reader.error();
  return {};
}

inline tensor own(tensor t, std::vector<std::byte>&& bytes) {
  auto kept = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  t.bytes = *kept;
  t.owned = std::move(kept);
  return t;
}

}  // namespace tensor_impl

/// Reads a TensorProto. Raw data stay where they are; typed and 4-bit data are converted.
/// folder: where external data may lie; nullptr refuses them.
/// Errors: unsupported (element type), bad_value (two data fields, negative extent, wrong amount of data, name),
/// too_large, and those of external data.
inline result<tensor> read_tensor(const wire_field& message, const external_folder* folder) {
  using namespace tensor_impl;
  tensor out;
  fields data;
  std::int64_t number = 0;
  if (auto ok = read_fields(message, out, data, number); !ok) return ok.error();
  if (out.name.size() > max_name || !is_utf8(out.name))
    return bad_tensor(errc::bad_value, "ONNX: a tensor's name is not UTF-8 or too long", out.name);
  const type_row* const row = find_type(number);
  if (row == nullptr) return bad_tensor(errc::bad_value, "ONNX: a tensor has an unknown element type", out.name);
  if (!row->type)
    return bad_tensor(errc::unsupported, "ONNX: a tensor has an element type that dsmm does not have", out.name);
  out.type = *row->type;
  checked_size count(1);
  bool empty = false;
  for (const std::int64_t d : out.dims) {
    if (d < 0) return bad_tensor(errc::bad_value, "ONNX: a tensor has a negative extent", out.name);
    empty = empty || d == 0;
    if (d != 0) count = count * checked_size(static_cast<std::uint64_t>(d));
  }
  if (empty) count = checked_size(0);
  const checked_size bits = count * checked_size(row->bits);
  if (!bits.valid() || bits.value() / 8 > max_tensor_bytes)
    return bad_tensor(errc::too_large, "ONNX: a tensor is larger than a model may be", out.name);
  if (data.seen_count > 1 || (data.is_external && data.seen_count != 0))
    return bad_tensor(errc::bad_value, "ONNX: a tensor has data in two fields; readers would disagree", out.name);
  const std::size_t elements = static_cast<std::size_t>(count.value());
  const std::size_t stored = static_cast<std::size_t>((bits.value() + 7) / 8);
  const bool is_packed = row->bits == 4;
  const failure amount =
      bad_tensor(errc::bad_value, "ONNX: a tensor's data are not as many as its dimensions say", out.name);
  const auto from_raw = [&](tensor t, std::span<const std::byte> raw) -> result<tensor> {
    if (raw.size() != stored) return amount;
    if (is_packed) return own(std::move(t), unpack4(raw, elements, *row->type == dtype::s4));
    t.bytes = raw;
    return t;
  };
  if (data.is_external) {
    auto bytes = data.external.read(folder, stored, out.name);
    if (!bytes) return bytes.error();
    tensor t = own(out, std::move(*bytes));
    return from_raw(t, t.bytes);
  }
  if (data.has_raw) return from_raw(std::move(out), data.raw);
  if (data.seen_count == 0) {
    if (elements != 0) return amount;
    return out;
  }
  if (data.seen[0] != typed_field(out.type)) return amount;
  if (out.type == dtype::f32) {
    if (data.reals.size() != elements) return amount;
    return own(std::move(out), bytes_of<float>(data.reals));
  }
  if (out.type == dtype::f64) {
    if (data.doubles.size() != elements) return amount;
    return own(std::move(out), bytes_of<double>(data.doubles));
  }
  if (is_packed) return from_raw(tensor(out), narrow(data.integers, 1));
  if (data.integers.size() != elements) return amount;
  return own(std::move(out), narrow(data.integers, size_of(out.type)));
}

}  // namespace dsmm::inline DSMM_ABI::convert::onnx
