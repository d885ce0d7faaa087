// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/verify/container.hpp"
#include "dsmm/model/verify/tables.hpp"

/// Third layer of the verifier: each tensor for itself, then the tiling of WEIGHTS. `where` is the tensor's index.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// Finite by its bits: neither infinite nor NaN.
inline bool is_finite(float value) noexcept { return (std::bit_cast<std::uint32_t>(value) >> 23 & 0xFF) != 0xFF; }
/// Finite, positive and not subnormal: what a scale must be.
inline bool is_scale(float value) noexcept { return is_finite(value) && value >= 0x1p-126f; }

/// Elements of a tensor whose dims have been checked.
inline std::uint64_t elements(const format::tensor_row& t) noexcept {
  std::uint64_t n = 1;
  for (const std::int32_t d : t.dims) n *= static_cast<std::uint64_t>(d);
  return n;
}

/// Values per output channel of a weight: dims behind the first.
inline std::uint64_t depth(const format::tensor_row& t) noexcept {
  return elements(t) / static_cast<std::uint64_t>(t.dims[0]);
}

/// Exact bytes of a constant whose dims have been checked.
inline std::uint64_t constant_bytes(const format::tensor_row& t) noexcept {
  const auto type = static_cast<dtype>(t.type);
  if (type != dtype::i4s) return elements(t) * size_of(type);
  return i4s_bytes(static_cast<std::size_t>(t.dims[0]), static_cast<std::size_t>(depth(t)), t.group);
}

inline const char* check_dims(const format::tensor_row& t) noexcept {
  if (t.rank > format::max_rank) return "tensor: rank must be 0 to 6";
  checked_size count(1);
  for (std::uint32_t d = 0; d < format::max_rank; ++d) {
    if (d >= t.rank && t.dims[d] != 1) return "tensor: unused dims must be 1";
    if (t.dims[d] < 0 || t.dims[d] > format::max_extent) return "tensor: every dim must be 0 to 2^24";
    count = count * checked_size(static_cast<std::uint64_t>(t.dims[d]));
  }
  if (!count.valid() || count.value() > format::max_elements) return "tensor: more than 2^30 elements";
  return nullptr;
}

inline const char* check_type(const format::tensor_row& t) noexcept {
  if (!is_dtype(t.type)) return "tensor: unknown element type";
  const auto type = static_cast<dtype>(t.type);
  const bool constant = t.kind == format::tensor_kind::constant;
  if (type == dtype::i4s && (!constant || elements(t) == 0 || t.rank == 0))
    return "tensor: only constants may be i4s, and none of them empty";
  if (t.kind == format::tensor_kind::state && ((type != dtype::u8 && type != dtype::f32) || t.rank != 3))
    return "tensor: states are u8 or f32 of rank 3: (H, W, C)";
  if (type == dtype::u8) {
    if (!is_scale(t.scale)) return "tensor: scale must be finite, positive and not subnormal";
    if (t.zero_point < 0 || t.zero_point > 255) return "tensor: zero point must be 0 to 255";
  } else if (std::bit_cast<std::uint32_t>(t.scale) != 0 || t.zero_point != 0) {
    return "tensor: scale and zero point must be 0 unless the type is u8";
  }
  const bool grouped = type == dtype::i4s && (t.group == 32 || t.group == 64 || t.group == 128);
  if (t.group != 0 && !grouped) return "tensor: group must be 0, or 32, 64 or 128 for i4s";
  return nullptr;
}

inline bool is_tensor_kind(format::tensor_kind kind) noexcept {
  return kind >= format::tensor_kind::input && kind <= format::tensor_kind::state;
}

/// Inputs, outputs and states are found by name: each has one, and no two share it.
inline result<void> check_ports(const model_rows& rows) noexcept {
  std::uint32_t ports[format::max_ports];
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < rows.tensors.size(); ++i) {
    const format::tensor_row& t = rows.tensors[i];
    if (!format::is_port(t.kind)) continue;
    const auto fail = [&](errc code, const char* text) { return fail_row(rows, code, text, i, t.name); };
    if (count == format::max_ports) return fail(errc::too_large, "tensor: more than 512 inputs, outputs and states");
    if (t.name.length == 0) return fail(errc::bad_value, "tensor: inputs, outputs and states need a name");
    const std::string_view name = rows.name(t.name);
    for (std::uint32_t j = 0; j < count; ++j)
      if (rows.name(rows.tensors[ports[j]].name) == name)
        return fail(errc::bad_value, "tensor: an input, output or state of this name exists already");
    ports[count++] = i;
  }
  return {};
}

/// Every float of a constant is finite.
inline bool all_finite(std::span<const std::byte> bytes) noexcept {
  std::uint32_t worst = 0;
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, bytes.data() + i, 4);
    worst |= (bits & 0x7F80'0000u) == 0x7F80'0000u ? 1u : 0u;
  }
  return worst == 0;
}

/// Constants lie in WEIGHTS in the order of their rows, each at the next multiple of 64, gaps zero, no byte over.
inline result<void> check_tensors(const model_rows& rows) noexcept {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < rows.tensors.size(); ++i) {
    const format::tensor_row& t = rows.tensors[i];
    const auto fail = [&](errc code, const char* text) { return fail_row(rows, code, text, i, t.name); };
    if (auto r = check_name(rows, t.name, i, "tensor: its name is outside STRINGS, too long or not UTF-8"); !r)
      return r;
    if (!is_tensor_kind(t.kind)) return fail(errc::bad_value, "tensor: unknown kind");
    if (t.reserved0 != 0 || t.reserved1 != 0) return fail(errc::bad_value, "tensor: reserved bytes must be zero");
    if (const char* text = check_dims(t)) return fail(errc::too_large, text);
    if (const char* text = check_type(t)) return fail(errc::bad_value, text);
    if (t.kind != format::tensor_kind::constant) {
      if (t.offset != 0 || t.length != 0)
        return fail(errc::bad_layout, "tensor: only constants have bytes in the file");
      continue;
    }
    if (t.length != constant_bytes(t))
      return fail(errc::bad_layout, "constant: its length does not follow from its shape");
    const std::uint64_t start = checked_size(end).aligned(format::alignment).value();
    if (t.offset != start)
      return fail(errc::bad_layout, "constant: must start at the next multiple of 64 after the one before");
    if (start > rows.weights.size() || t.length > rows.weights.size() - start)
      return fail(errc::truncated, "constant: reaches beyond WEIGHTS");
    if (!all_zero(rows.weights.subspan(static_cast<std::size_t>(end), static_cast<std::size_t>(start - end))))
      return fail(errc::bad_layout, "constant: bytes before it must be zero");
    end = start + t.length;
  }
  if (end != rows.weights.size()) return failure{errc::bad_layout, "WEIGHTS: bytes that belong to no constant"};
  return check_ports(rows);
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
