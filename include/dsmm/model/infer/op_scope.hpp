// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model_rows.hpp"

/// What the shape rules share: access to one op whose kind, counts and indices have been checked.
namespace dsmm::inline DSMM_ABI::infer_impl {

/// What an op writes. Types are sets because a convolution may write u8 or f32.
struct output_form {
  extents shape{};
  bool u8 = false, f32 = false;
  int same_scale_as = -1;  ///< the u8 output must have scale and zero point of this input
};

class op_scope {
public:
  op_scope(const model_rows& rows, std::size_t index) noexcept : rows_(&rows), op_(&rows.ops[index]), index_(index) {}

  const format::op_row& row() const noexcept { return *op_; }
  std::uint32_t inputs() const noexcept { return op_->input_count; }
  bool has(std::uint32_t i) const noexcept { return i < inputs() && rows_->inputs(*op_)[i] != format::no_tensor; }
  const format::tensor_row& input(std::uint32_t i) const noexcept { return rows_->tensors[rows_->inputs(*op_)[i]]; }
  const format::tensor_row& output(std::uint32_t k = 0) const noexcept {
    return rows_->tensors[rows_->outputs(*op_)[k]];
  }
  std::int32_t attribute(std::uint32_t i) const noexcept { return rows_->attributes[op_->first_attribute + i]; }
  float attribute_f32(std::uint32_t i) const noexcept { return std::bit_cast<float>(attribute(i)); }

  /// Element i of a constant of 4-byte values.
  template <class T>
  T element(const format::tensor_row& t, std::size_t i) const noexcept {
    T value;
    std::memcpy(&value, rows_->weights.data() + t.offset + i * sizeof(T), sizeof(T));
    return value;
  }
  std::span<const std::byte> bytes(const format::tensor_row& t) const noexcept {
    return rows_->weights.subspan(static_cast<std::size_t>(t.offset), static_cast<std::size_t>(t.length));
  }

  failure fail(errc code, const char* text) const noexcept {
    const std::string_view name = rows_->name(op_->name);
    return failure{code, text, static_cast<std::int64_t>(index_)}.named(name.data(), name.size());
  }

private:
  const model_rows* rows_;
  const format::op_row* op_;
  std::size_t index_;
};

inline dtype type_of(const format::tensor_row& t) noexcept { return static_cast<dtype>(t.type); }
inline extents shape_of(const format::tensor_row& t) noexcept { return {t.dims[0], t.dims[1], t.dims[2]}; }
inline bool same_scale(const format::tensor_row& a, const format::tensor_row& b) noexcept {
  return std::bit_cast<std::uint32_t>(a.scale) == std::bit_cast<std::uint32_t>(b.scale) && a.zero_point == b.zero_point;
}

/// Something with (H, W, C) that an op may read: any kind, constants too.
inline bool is_data(const format::tensor_row& t) noexcept { return t.rank == 3; }
inline bool is_data(const format::tensor_row& t, dtype type) noexcept { return is_data(t) && type_of(t) == type; }
/// Channels first, as pictures enter models from elsewhere.
inline bool is_planes(const format::tensor_row& t) noexcept {
  return t.rank == 4 && t.dims[0] == 1 && t.dims[1] > 0 && t.dims[2] > 0 && t.dims[3] > 0 && type_of(t) == dtype::f32 &&
         t.kind != format::tensor_kind::constant;
}
/// What this run brought, neither a ring nor a constant: may get a halo, and may be pushed.
inline bool is_flow(const format::tensor_row& t) noexcept {
  return t.kind == format::tensor_kind::input || t.kind == format::tensor_kind::value ||
         t.kind == format::tensor_kind::output;
}
inline bool is_constant(const format::tensor_row& t, dtype type, std::uint8_t rank) noexcept {
  return t.kind == format::tensor_kind::constant && type_of(t) == type && t.rank == rank;
}
/// A constant vector of exactly n elements.
inline bool is_vector(const format::tensor_row& t, dtype type, std::int32_t n) noexcept {
  return is_constant(t, type, 1) && t.dims[0] == n;
}
inline bool in_range(std::int32_t value, std::int32_t low, std::int32_t high) noexcept {
  return value >= low && value <= high;
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
