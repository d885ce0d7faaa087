// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Operators that look elements up by index, or give indices.
namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::scatter_fn;

/// Constant indices must lie in [-extent, extent); others are clamped when the model runs.
inline bool check_indices(node_scope& s, var index, std::int64_t extent) {
  if (!s.to.failed() && index.type() != dtype::s64 && index.type() != dtype::s32)
    s.fail(errc::dtype_mismatch, "indices must be 32-bit or 64-bit integers");
  if (s.to.failed() || !index.is_constant()) return !s.to.failed();
  for (const std::int64_t i : integers_of(index))
    if (i < -extent || i >= extent) {
      s.fail(errc::bad_index, "a constant index lies outside the input");
      return false;
    }
  return true;
}

inline void lower_gather(node_scope& s) {
  const var x = s.in(0), index = s.in(1);
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  if (s.to.failed() || !check_indices(s, index, x.dim(axis))) return;
  if (index.is_constant() && index.count() == 1 && index.rank() == 0) {  // a view, for what follows to see through
    const std::int64_t i = integers_of(index)[0];
    dim_list dims = x.dims();
    dims.erase(dims.begin() + axis);
    s.out[0] = s.to.reshape(slice(x, axis, i < 0 ? i + x.dim(axis) : i, 1), dims);
    return;
  }
  s.out[0] = gather(x, index, axis);
}

inline void lower_gather_elements(node_scope& s) {
  const var x = s.in(0), index = s.in(1);
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  if (s.to.failed() || !check_indices(s, index, x.dim(axis))) return;
  s.out[0] =
      s.to.emit(op_kind::nd_gather_elements, {x, index}, {static_cast<std::int32_t>(axis)}, x.type(), index.dims());
}

inline void lower_gather_nd(node_scope& s) {
  const var x = s.in(0), index = s.in(1);
  const std::int64_t batch = s.integer("batch_dims", 0);
  if (s.to.failed()) return;
  if (index.rank() < 1 || batch < 0 || batch >= std::min(x.rank(), index.rank()))
    return s.fail(errc::bad_value, "GatherND: attribute batch_dims");
  const std::int64_t depth = index.dim(index.rank() - 1);
  if (depth < 1 || depth > x.rank() - batch) return s.fail(errc::shape_mismatch, "GatherND: indices are too long");
  dim_list dims(index.dims().begin(), index.dims().end() - 1);
  dims.insert(dims.end(), x.dims().begin() + batch + depth, x.dims().end());
  s.out[0] = s.to.emit(op_kind::nd_gather_nd, {x, index}, {static_cast<std::int32_t>(batch)}, x.type(), dims);
}

inline scatter_fn reduction_of(node_scope& s) {
  const std::string_view r = s.text("reduction", "none");
  constexpr std::string_view names[] = {"none", "add", "mul", "max", "min"};
  for (std::int32_t i = 0; i < 5; ++i)
    if (names[i] == r) return static_cast<scatter_fn>(i);
  s.fail(errc::bad_value, "attribute reduction is unknown");
  return scatter_fn::none;
}

inline void lower_scatter_elements(node_scope& s) {
  const var x = s.in(0), index = s.in(1), updates = s.in(2);
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  const scatter_fn fn = reduction_of(s);
  if (s.to.failed() || !check_indices(s, index, x.dim(axis))) return;
  s.out[0] = s.to.emit(op_kind::nd_scatter_elements, {x, index, updates},
                       {static_cast<std::int32_t>(axis), static_cast<std::int32_t>(fn)}, x.type(), x.dims());
}

inline void lower_scatter_nd(node_scope& s) {
  const var x = s.in(0), index = s.in(1), updates = s.in(2);
  const scatter_fn fn = reduction_of(s);
  s.out[0] =
      s.to.emit(op_kind::nd_scatter_nd, {x, index, updates}, {static_cast<std::int32_t>(fn)}, x.type(), x.dims());
}

/// Negative indices count from the end; what lies outside is off everywhere.
inline void lower_one_hot(node_scope& s) {
  var index = s.in(0);
  const var values = s.in(2);
  if (!s.to.require_constant(s.in(1), "OneHot: depth must be known when the model is imported")) return;
  const auto given = reals_of(s.in(1));
  if (given.size() != 1 || !(given[0] >= 1 && given[0] <= format::max_extent))
    return s.fail(errc::bad_value, "OneHot: depth must be one number, and positive");
  const auto depth = static_cast<std::int64_t>(given[0]);
  const std::int64_t axis = s.axis(s.integer("axis", -1), index.rank() + 1);
  if (s.to.failed()) return;
  index = cast(index, dtype::s64);
  dim_list dims = index.dims();
  dims.insert(dims.begin() + axis, depth);
  s.out[0] = s.to.emit(op_kind::nd_one_hot, {index, values}, {static_cast<std::int32_t>(axis)}, values.type(), dims);
}

inline void lower_arg(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  const bool keep = s.flag("keepdims", true), last = s.flag("select_last_index");
  if (s.to.failed()) return;
  dim_list dims = x.dims();
  if (keep) dims[static_cast<std::size_t>(axis)] = 1;
  else dims.erase(dims.begin() + axis);
  s.out[0] = s.to.emit(op_kind::nd_arg, {x},
                       {s.node.op == "ArgMax" ? 0 : 1, static_cast<std::int32_t>(axis), keep ? 1 : 0, last ? 1 : 0},
                       dtype::s64, dims);
}

inline void lower_topk(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t axis = s.axis("axis", -1, x.rank());
  std::int64_t k = 0;
  if (s.opset < 10) {
    k = s.integer("k", 0);
  } else {
    const dim_list given = s.constant(1, "TopK: k must be known when the model is imported");
    if (s.to.failed() || given.size() != 1) return s.fail(errc::bad_value, "TopK: k must be one number");
    k = given[0];
  }
  if (s.to.failed()) return;
  if (k < 0 || k > x.dim(axis)) return s.fail(errc::bad_value, "TopK: k is larger than the axis");
  const std::int32_t attributes[] = {static_cast<std::int32_t>(axis), s.flag("largest", true) ? 1 : 0,
                                     s.flag("sorted", true) ? 1 : 0};
  dim_list dims = x.dims();
  dims[static_cast<std::size_t>(axis)] = k;
  const value_type types[] = {{x.type(), dims}, {dtype::s64, dims}};
  const auto y = s.to.emit(op_kind::nd_topk, std::span(&x, 1), attributes, types);
  s.out[0] = y[0];
  if (s.out.size() > 1) s.out[1] = y[1];
}

inline void lower_non_zero(node_scope& s) {
  const var x = s.in(0);
  if (s.to.failed()) return;
  const value_type types[] = {{dtype::s64, {x.rank(), x.count()}}, {dtype::s64, {}}};
  const auto y = s.to.emit(op_kind::nd_nonzero, std::span(&x, 1), {}, types);
  s.lengths.push_back({0, 1, y[1]});
  s.out[0] = y[0];
}

inline void lower_nms(node_scope& s) {
  const var inputs[] = {s.in(0), s.in(1)};
  std::int64_t most = 0;
  if (s.has(2)) {
    const dim_list given =
        s.constant(2, "NonMaxSuppression: the number of boxes must be known when the model is imported");
    most = given.empty() ? 0 : std::max<std::int64_t>(given[0], 0);
  }
  float threshold[2] = {0, -std::numeric_limits<float>::infinity()};
  for (std::size_t i = 0; i < 2; ++i)
    if (s.has(3 + i)) {
      if (!s.to.require_constant(s.in(3 + i), "NonMaxSuppression: thresholds must be known when the model is imported"))
        return;
      const auto given = reals_of(s.in(3 + i));
      if (given.size() == 1) threshold[i] = static_cast<float>(given[0]);
    }
  if (s.to.failed()) return;
  const var boxes = inputs[0], scores = inputs[1];
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(1) != scores.dim(2))
    return s.fail(errc::shape_mismatch, "NonMaxSuppression: rank");
  most = std::min(most, boxes.dim(1));
  const std::int32_t attributes[] = {s.flag("center_point_box") ? 1 : 0, static_cast<std::int32_t>(most),
                                     bits_of(threshold[0]), bits_of(threshold[1])};
  const value_type types[] = {{dtype::s64, {scores.dim(0) * scores.dim(1) * most, 3}}, {dtype::s64, {}}};
  const auto y = s.to.emit(op_kind::nd_nms, inputs, attributes, types);
  s.lengths.push_back({0, 0, y[1]});
  s.out[0] = y[0];
}

inline void lower_cumsum(node_scope& s) {
  const var x = s.in(0);
  const dim_list given = s.constant(1, "CumSum: the axis must be known when the model is imported");
  const std::int64_t axis = s.axis(given.empty() ? 0 : given[0], x.rank());
  s.out[0] = s.to.emit(op_kind::nd_cumsum, {x},
                       {static_cast<std::int32_t>(axis), s.flag("exclusive") ? 1 : 0, s.flag("reverse") ? 1 : 0},
                       x.type(), x.dims());
}

inline void lower_trilu(node_scope& s) {
  const var x = s.in(0);
  std::int64_t k = 0;
  if (s.has(1)) {
    const dim_list given = s.constant(1, "Trilu: k must be known when the model is imported");
    k = given.empty() ? 0 : std::clamp<std::int64_t>(given[0], -format::max_extent, format::max_extent);
  }
  s.out[0] = s.to.emit(op_kind::nd_trilu, {x}, {s.flag("upper", true) ? 1 : 0, static_cast<std::int32_t>(k)}, x.type(),
                       x.dims());
}

/// Keeps the slices along an axis for which a known condition holds.
inline void lower_compress(node_scope& s) {
  var x = s.in(0);
  const dim_list condition = s.constant(1, "Compress: the condition must be known when the model is imported");
  if (s.to.failed()) return;
  if (!s.has_attribute("axis")) x = s.to.reshape(x, {x.count()});
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < condition.size() && static_cast<std::int64_t>(i) < x.dim(axis); ++i)
    if (condition[i] != 0) kept.push_back(static_cast<std::int64_t>(i));
  s.out[0] = gather(x, s.to.integers(kept), axis);
}

inline constexpr lowering index_lowerings[] = {
    {"", "ArgMax", lower_arg},
    {"", "ArgMin", lower_arg},
    {"", "Compress", lower_compress},
    {"", "CumSum", lower_cumsum},
    {"", "Gather", lower_gather},
    {"", "GatherElements", lower_gather_elements},
    {"", "GatherND", lower_gather_nd},
    {"", "NonMaxSuppression", lower_nms},
    {"", "NonZero", lower_non_zero},
    {"", "OneHot", lower_one_hot},
    {"", "Scatter", lower_scatter_elements},
    {"", "ScatterElements", lower_scatter_elements},
    {"", "ScatterND", lower_scatter_nd},
    {"", "TopK", lower_topk},
    {"", "Trilu", lower_trilu},
};

}  // namespace dsmm::inline DSMM_ABI::convert
