// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/op_scope.hpp"

/// What the shape rules of general operators share. Each tensor for itself has been checked: rank at most 6, dims 0 to
/// 2^24, at most 2^30 elements; so products of two dims never overflow s64.
namespace dsmm::inline DSMM_ABI::infer_impl {

/// The shape that a rule computes; an axis that does not fit is remembered by `fits`.
struct nd_shape {
  std::array<std::int64_t, format::max_rank> dims{1, 1, 1, 1, 1, 1};
  std::size_t rank = 0;
  bool fits = true;

  constexpr nd_shape() noexcept = default;
  nd_shape(const format::tensor_row& t) noexcept : rank(t.rank) {
    for (std::size_t i = 0; i < format::max_rank; ++i) dims[i] = t.dims[i];
  }
  void push(std::int64_t dim) noexcept {
    if (rank == format::max_rank) fits = false;
    else dims[rank++] = dim;
  }
  std::int64_t elements() const noexcept {
    std::int64_t n = 1;
    for (std::size_t i = 0; i < rank; ++i)
      n = std::min<std::int64_t>(n * std::min<std::int64_t>(dims[i], 1 << 30), 1 << 30);
    return n;
  }
  friend bool operator==(const nd_shape& a, const nd_shape& b) noexcept {
    return a.fits && b.fits && a.rank == b.rank && a.dims == b.dims;
  }
};

/// numpy's rule; fits becomes false where the shapes do not go together.
inline nd_shape broadcast(const nd_shape& a, const nd_shape& b) noexcept {
  nd_shape y;
  y.fits = a.fits && b.fits;
  y.rank = std::max(a.rank, b.rank);
  for (std::size_t i = 0; i < y.rank; ++i) {
    const std::int64_t p = i + a.rank < y.rank ? 1 : a.dims[i + a.rank - y.rank];
    const std::int64_t q = i + b.rank < y.rank ? 1 : b.dims[i + b.rank - y.rank];
    if (p != q && p != 1 && q != 1) y.fits = false;
    y.dims[i] = p == 1 ? q : p;
  }
  return y;
}

/// b broadcasts to a without changing it.
inline bool broadcasts_to(const nd_shape& b, const nd_shape& a) noexcept { return broadcast(a, b) == a; }

class nd_scope : public op_scope {
public:
  using op_scope::op_scope;

  dtype type(std::uint32_t i) const noexcept { return type_of(input(i)); }
  nd_shape shape(std::uint32_t i) const noexcept { return nd_shape(input(i)); }
  dtype output_type(std::uint32_t k = 0) const noexcept { return type_of(output(k)); }
  nd_shape output_shape(std::uint32_t k = 0) const noexcept { return nd_shape(output(k)); }
  std::size_t rank(std::uint32_t i) const noexcept { return input(i).rank; }

  bool choice(std::uint32_t attribute_index, std::int32_t count) const noexcept {
    return in_range(attribute(attribute_index), 0, count - 1);
  }
  /// The attribute names an axis of input i.
  bool axis_of(std::uint32_t i, std::uint32_t attribute_index) const noexcept {
    return in_range(attribute(attribute_index), 0, static_cast<std::int32_t>(rank(i)) - 1);
  }
  std::size_t axis(std::uint32_t attribute_index) const noexcept {
    return static_cast<std::size_t>(attribute(attribute_index));
  }

  result<void> bad_attribute() const noexcept { return fail(errc::bad_value, "op: an attribute is outside its range"); }
  result<void> bad_type() const noexcept {
    return fail(errc::dtype_mismatch, "op: its inputs have element types that do not go together");
  }
  result<void> bad_shape() const noexcept {
    return fail(errc::shape_mismatch, "op: the shapes of its inputs do not go together");
  }
  /// Output k must be this.
  result<void> expect(std::uint32_t k, dtype type, const nd_shape& shape) const noexcept {
    if (k >= row().output_count) return {};
    if (output_type(k) != type)
      return fail(errc::dtype_mismatch, "op: its output has an element type that it cannot write");
    if (!(output_shape(k) == shape))
      return fail(errc::shape_mismatch, "op: its output has another shape than its inputs and attributes give");
    return {};
  }
};

inline bool is_index_type(dtype type) noexcept { return type == dtype::s32 || type == dtype::s64; }
/// What can be computed with: not truth values and not the packed 4-bit types.
inline bool is_numeric(dtype type) noexcept {
  return is_float(type) || (is_integer(type) && type != dtype::u4 && type != dtype::s4);
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
