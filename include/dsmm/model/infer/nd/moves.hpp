// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/model/infer/nd/elementwise.hpp"
#include "dsmm/model/infer/nd/nd_scope.hpp"

/// Shape rules of general operators that move elements, or look them up by index. Indices are data: kernels never
/// follow one outside.
namespace dsmm::inline DSMM_ABI::infer_impl {

/// y[i..] = x[offset + sum i_k * stride_k]: the smallest and the largest element read must exist.
inline result<void> nd_copy(const nd_scope& op) noexcept {
  const nd_shape y = op.output_shape();
  if (op.output_type() != op.type(0)) return op.bad_type();
  std::int64_t low = op.attribute(0), high = low;
  for (std::uint32_t i = 0; i < format::max_rank; ++i) {
    const std::int64_t stride = op.attribute(1 + i);
    if (i >= y.rank && stride != 0) return op.bad_attribute();
    const std::int64_t reach = (y.dims[i] - 1) * stride;  // below 2^55
    (reach < 0 ? low : high) += reach;
  }
  if (y.elements() != 0 && (low < 0 || high >= op.shape(0).elements()))
    return op.fail(errc::bad_value, "nd_copy: it would read outside its input");
  return {};
}

inline result<void> nd_pad(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::pad_fn>())) return op.bad_attribute();
  const nd_shape x = op.shape(0), y = op.output_shape();
  if (op.output_type() != op.type(0) || (op.has(1) && op.type(1) != op.type(0))) return op.bad_type();
  if (x.rank != y.rank || (op.has(1) && op.shape(1).elements() != 1)) return op.bad_shape();
  for (std::uint32_t i = 0; i < format::max_rank; ++i)
    if (!in_range(op.attribute(1 + i), -format::max_extent, format::max_extent)) return op.bad_attribute();
  if (op.attribute(0) != 0 && y.elements() != 0 && x.elements() == 0) return op.bad_shape();
  return {};
}

inline result<void> nd_concat(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0)) return op.bad_attribute();
  nd_shape y = op.shape(0);
  y.dims[op.axis(0)] = 0;
  for (std::uint32_t i = 0; i < op.inputs(); ++i) {
    nd_shape x = op.shape(i);
    if (op.type(i) != op.type(0)) return op.bad_type();
    y.dims[op.axis(0)] += x.dims[op.axis(0)];
    x.dims[op.axis(0)] = op.shape(0).dims[op.axis(0)];
    if (!(x == op.shape(0))) return op.bad_shape();
  }
  return op.expect(0, op.type(0), y);
}

inline result<void> nd_gather(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0)) return op.bad_attribute();
  if (!is_index_type(op.type(1))) return op.bad_type();
  const nd_shape x = op.shape(0), index = op.shape(1);
  nd_shape y;
  for (std::size_t i = 0; i < op.axis(0); ++i) y.push(x.dims[i]);
  for (std::size_t i = 0; i < index.rank; ++i) y.push(index.dims[i]);
  for (std::size_t i = op.axis(0) + 1; i < x.rank; ++i) y.push(x.dims[i]);
  if (x.elements() == 0 && y.elements() != 0) return op.bad_shape();
  return op.expect(0, op.type(0), y);
}

inline result<void> nd_gather_elements(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0)) return op.bad_attribute();
  if (!is_index_type(op.type(1))) return op.bad_type();
  const nd_shape x = op.shape(0), y = op.shape(1);
  if (x.rank != y.rank || (x.elements() == 0 && y.elements() != 0)) return op.bad_shape();
  for (std::size_t i = 0; i < x.rank; ++i)
    if (i != op.axis(0) && y.dims[i] > x.dims[i]) return op.bad_shape();
  return op.expect(0, op.type(0), y);
}

inline result<void> nd_gather_nd(const nd_scope& op) noexcept {
  if (!is_index_type(op.type(1))) return op.bad_type();
  const nd_shape x = op.shape(0), index = op.shape(1);
  if (index.rank < 1 || !in_range(op.attribute(0), 0, static_cast<std::int32_t>(std::min(x.rank, index.rank)) - 1))
    return op.bad_attribute();
  const std::size_t batch = op.axis(0);
  const std::int64_t depth = index.dims[index.rank - 1];
  if (depth < 1 || depth > static_cast<std::int64_t>(x.rank - batch)) return op.bad_shape();
  nd_shape y;
  for (std::size_t i = 0; i + 1 < index.rank; ++i) y.push(index.dims[i]);
  for (std::size_t i = batch + static_cast<std::size_t>(depth); i < x.rank; ++i) y.push(x.dims[i]);
  for (std::size_t i = 0; i < batch; ++i)
    if (x.dims[i] != index.dims[i]) return op.bad_shape();
  if (x.elements() == 0 && y.elements() != 0) return op.bad_shape();
  return op.expect(0, op.type(0), y);
}

inline result<void> nd_scatter_elements(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0) || !op.choice(1, count_of<fn::scatter_fn>())) return op.bad_attribute();
  if (!is_index_type(op.type(1)) || op.type(2) != op.type(0)) return op.bad_type();
  if (op.attribute(1) != 0 && !is_numeric(op.type(0))) return op.bad_type();
  const nd_shape x = op.shape(0), index = op.shape(1);
  if (x.rank != index.rank || !(index == op.shape(2))) return op.bad_shape();
  for (std::size_t i = 0; i < x.rank; ++i)
    if (i != op.axis(0) && index.dims[i] > x.dims[i]) return op.bad_shape();
  return op.expect(0, op.type(0), x);
}

inline result<void> nd_scatter_nd(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::scatter_fn>())) return op.bad_attribute();
  if (!is_index_type(op.type(1)) || op.type(2) != op.type(0)) return op.bad_type();
  if (op.attribute(0) != 0 && !is_numeric(op.type(0))) return op.bad_type();
  const nd_shape x = op.shape(0), index = op.shape(1);
  if (index.rank < 1) return op.bad_shape();
  const std::int64_t depth = index.dims[index.rank - 1];
  if (depth < 1 || depth > static_cast<std::int64_t>(x.rank)) return op.bad_shape();
  nd_shape updates;
  for (std::size_t i = 0; i + 1 < index.rank; ++i) updates.push(index.dims[i]);
  for (std::size_t i = static_cast<std::size_t>(depth); i < x.rank; ++i) updates.push(x.dims[i]);
  if (!(updates == op.shape(2))) return op.bad_shape();
  return op.expect(0, op.type(0), x);
}

inline result<void> nd_resize(const nd_scope& op) noexcept {
  if (!op.choice(0, count_of<fn::resize_fn>()) || !op.choice(1, count_of<fn::resize_coordinates>()) ||
      !op.choice(2, count_of<fn::resize_nearest>()) || !op.choice(4, 2) || !op.choice(5, 2))
    return op.bad_attribute();
  const nd_shape x = op.shape(0), y = op.output_shape();
  if (!is_float(op.type(0)) || op.output_type() != op.type(0)) return op.bad_type();
  if (x.rank != y.rank || (x.elements() == 0 && y.elements() != 0)) return op.bad_shape();
  for (std::uint32_t i = 0; i < format::max_rank; ++i) {  // below 2^-10, antialiasing would look at a thousand elements
    const float scale = op.attribute_f32(7 + i), start = op.attribute_f32(13 + i), end = op.attribute_f32(19 + i);
    if (!(scale == 0.0f || (scale >= 0x1p-10f && scale <= 0x1p24f))) return op.bad_attribute();
    if (!(start >= -0x1p20f && start <= 0x1p20f && end >= -0x1p20f && end <= 0x1p20f)) return op.bad_attribute();
    if (scale == 0.0f && i < x.rank && x.dims[i] > 1024 * y.dims[i]) return op.bad_attribute();
  }
  return {};
}

inline result<void> nd_trilu(const nd_scope& op) noexcept {
  if (!op.choice(0, 2)) return op.bad_attribute();
  if (op.rank(0) < 2) return op.bad_shape();
  return op.expect(0, op.type(0), op.shape(0));
}

inline result<void> nd_one_hot(const nd_scope& op) noexcept {
  if (!in_range(op.attribute(0), 0, static_cast<std::int32_t>(op.rank(0)))) return op.bad_attribute();
  if (!is_numeric(op.type(0))) return op.bad_type();
  if (op.rank(1) != 1 || op.shape(1).dims[0] != 2) return op.bad_shape();
  const nd_shape x = op.shape(0);
  nd_shape y;
  for (std::size_t i = 0; i <= x.rank; ++i) {
    if (i == op.axis(0)) y.push(op.output_shape().dims[i % format::max_rank]);  // its depth is what it says
    if (i < x.rank) y.push(x.dims[i]);
  }
  return op.expect(0, op.type(1), y);
}

inline result<void> nd_topk(const nd_scope& op) noexcept {
  if (!op.axis_of(0, 0) || !op.choice(1, 2) || !op.choice(2, 2)) return op.bad_attribute();
  if (!is_numeric(op.type(0))) return op.bad_type();
  nd_shape y = op.shape(0);
  const std::int64_t k = op.output_shape().dims[op.axis(0)];
  if (k > y.dims[op.axis(0)]) return op.bad_shape();
  y.dims[op.axis(0)] = k;
  if (auto r = op.expect(0, op.type(0), y); !r) return r;
  return op.expect(1, dtype::s64, y);
}

inline result<void> nd_nonzero(const nd_scope& op) noexcept {
  nd_shape y;
  y.push(static_cast<std::int64_t>(op.rank(0)));
  y.push(op.shape(0).elements());
  if (auto r = op.expect(0, dtype::s64, y); !r) return r;
  return op.expect(1, dtype::s64, nd_shape());
}

inline result<void> nd_nms(const nd_scope& op) noexcept {
  const nd_shape boxes = op.shape(0), scores = op.shape(1);
  if (op.type(0) != dtype::f32 || op.type(1) != dtype::f32) return op.bad_type();
  if (!op.choice(0, 2) || op.attribute(1) < 0) return op.bad_attribute();
  if (boxes.rank != 3 || scores.rank != 3 || boxes.dims[2] != 4 || boxes.dims[0] != scores.dims[0] ||
      boxes.dims[1] != scores.dims[2])
    return op.bad_shape();
  nd_shape y;
  y.push(scores.dims[0] * scores.dims[1] * std::min<std::int64_t>(boxes.dims[1], op.attribute(1)));
  y.push(3);
  if (auto r = op.expect(0, dtype::s64, y); !r) return r;
  return op.expect(1, dtype::s64, nd_shape());
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
