// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/builder.hpp"

/// Operators that move elements and compute nothing.
namespace dsmm::inline DSMM_ABI::convert {

/// Row-major strides. Wraps for extents that no value has; what uses them is refused before.
inline dim_list strides_of(const dim_list& dims) {
  dim_list out(dims.size(), 1);
  for (std::size_t i = dims.size(); i > 1; --i)
    out[i - 2] = static_cast<std::int64_t>(static_cast<std::uint64_t>(out[i - 1]) *
                                           static_cast<std::uint64_t>(std::max<std::int64_t>(dims[i - 1], 1)));
  return out;
}

/// y[i...] = x[offset + sum of i_k * strides_k], over the elements of x in row-major order.
/// Neighbouring axes that step as one are merged, so that more than 6 of them often fit.
inline var view(var x, const dim_list& dims, std::int64_t offset, const dim_list& strides) {
  builder& to = *x.to;
  if (to.failed()) return x;
  for (const std::int64_t n : dims)
    if (n < 0 || n > format::max_extent)
      return to.fail(errc::too_large, "an extent would be larger than a model may have");
  if (count_of(dims) == 0) return to.constant(x.type(), dims, std::vector<std::byte>());
  if (count_of(dims) < 0) return to.fail(errc::too_large, "a tensor would be larger than a model may have");
  dim_list d, s;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (!d.empty() && s.back() == strides[i] * dims[i]) d.back() *= dims[i], s.back() = strides[i];
    else d.push_back(dims[i]), s.push_back(strides[i]);
  }
  const bool is_same = offset == 0 && (d.empty() || (d.size() == 1 && s[0] == 1)) && count_of(dims) == x.count();
  if (is_same) return to.reshape(x, dims);
  const auto emit = [&](const dim_list& shape, const dim_list& step) {
    std::vector<std::int32_t> attributes(7, 0);
    attributes[0] = static_cast<std::int32_t>(offset);
    bool fits = offset == attributes[0] && shape.size() <= 6;
    for (std::size_t i = 0; i < shape.size() && fits; ++i) {
      attributes[1 + i] = static_cast<std::int32_t>(step[i]);
      fits = attributes[1 + i] == step[i];
    }
    if (!fits) return to.fail(errc::unsupported, "a tensor would have more than 6 dimensions, or a step be too long");
    const value_type t{x.type(), shape};
    return to.emit(op_kind::nd_copy, std::span(&x, 1), attributes, std::span(&t, 1))[0];
  };
  if (dims.size() <= 6) return emit(dims, strides);
  return to.reshape(emit(d, s), dims);
}

inline var transpose(var x, const dim_list& permutation) {
  if (x.to->failed()) return x;
  const dim_list from = strides_of(x.dims());
  dim_list dims, strides;
  for (const std::int64_t p : permutation)
    dims.push_back(x.dim(p)), strides.push_back(from[static_cast<std::size_t>(p)]);
  return view(x, dims, 0, strides);
}

/// Swaps two axes.
inline var swap_axes(var x, std::int64_t a, std::int64_t b) {
  dim_list p(x.dims().size());
  std::iota(p.begin(), p.end(), 0);
  if (x.to->failed()) return x;
  std::swap(p[static_cast<std::size_t>(a)], p[static_cast<std::size_t>(b)]);
  return transpose(x, p);
}

/// numpy's broadcast_to; dims of x may be 1 or missing in front.
inline var expand(var x, const dim_list& dims) {
  if (x.to->failed() || x.dims() == dims) return x;
  if (dims.size() < x.dims().size()) return x.to->fail(errc::shape_mismatch, "cannot be expanded to fewer dimensions");
  const dim_list from = strides_of(x.dims());
  dim_list strides(dims.size(), 0);
  for (std::size_t i = 0; i < x.dims().size(); ++i) {
    const std::size_t k = dims.size() - x.dims().size() + i;
    if (x.dims()[i] == dims[k]) strides[k] = dims[k] == 1 ? 0 : from[i];
    else if (x.dims()[i] != 1) return x.to->fail(errc::shape_mismatch, "extents cannot be expanded");
  }
  return view(x, dims, 0, strides);
}

/// Elements start, start + step, ... (count of them) along an axis; step may be negative.
inline var slice(var x, std::int64_t axis, std::int64_t start, std::int64_t count, std::int64_t step = 1) {
  if (x.to->failed()) return x;
  const auto a = static_cast<std::size_t>(axis);
  dim_list dims = x.dims(), strides = strides_of(x.dims());
  if (start == 0 && step == 1 && count == dims[a]) return x;
  const std::int64_t offset = count == 0 ? 0 : start * strides[a];
  dims[a] = count;
  strides[a] *= step;
  return view(x, dims, offset, strides);
}

/// x without / with axes of extent 1.
inline var unsqueeze(var x, std::int64_t axis) {
  dim_list dims = x.dims();
  if (x.to->failed()) return x;
  dims.insert(dims.begin() + axis, 1);
  return x.to->reshape(x, dims);
}

/// Any number of parts, of which those without elements do not count.
inline var concat(builder& to, std::span<const var> parts, std::int64_t axis) {
  if (to.failed()) return {&to, 0};
  std::vector<var> some;
  for (const var& p : parts)
    if (p.count() != 0) some.push_back(p);
  if (some.empty()) {
    dim_list dims = parts[0].dims();
    for (const var& p : parts.subspan(1)) {
      if (p.dims().size() != dims.size()) return to.fail(errc::shape_mismatch, "inputs have different ranks");
      dims[static_cast<std::size_t>(axis)] += p.dim(axis);
    }
    return to.constant(parts[0].type(), dims, std::vector<std::byte>());
  }
  while (some.size() > 1) {
    std::vector<var> next;
    for (std::size_t i = 0; i < some.size(); i += 16) {
      const auto group = std::span(some).subspan(i, std::min<std::size_t>(16, some.size() - i));
      if (group.size() == 1) {
        next.push_back(group[0]);
        continue;
      }
      dim_list dims = group[0].dims();
      for (const var& p : group.subspan(1)) {
        if (p.type() != group[0].type()) return to.fail(errc::dtype_mismatch, "inputs have different element types");
        if (p.rank() != group[0].rank()) return to.fail(errc::shape_mismatch, "inputs have different ranks");
        for (std::int64_t k = 0; k < p.rank(); ++k)
          if (k != axis && p.dim(k) != group[0].dim(k))
            return to.fail(errc::shape_mismatch, "inputs do not fit together");
        dims[static_cast<std::size_t>(axis)] += p.dim(axis);
      }
      const value_type t{group[0].type(), dims};
      const std::int32_t attribute = static_cast<std::int32_t>(axis);
      next.push_back(to.emit(op_kind::nd_concat, group, std::span(&attribute, 1), std::span(&t, 1))[0]);
      if (to.failed()) return {&to, 0};
    }
    some = std::move(next);
  }
  return some[0];
}

/// x repeated along one axis: (outer, inner) seen as (outer, times, inner).
inline var repeat(var x, std::int64_t axis, std::int64_t times) {
  if (x.to->failed() || times == 1) return x;
  std::int64_t inner = 1;
  for (std::int64_t i = axis; i < x.rank(); ++i) inner *= x.dim(i);
  const std::int64_t outer = inner == 0 ? 0 : x.count() / inner;
  dim_list dims = x.dims();
  dims[static_cast<std::size_t>(axis)] *= times;
  return x.to->reshape(view(x, {outer, times, inner}, 0, {inner, 0, 1}), dims);
}

/// 0, 1, ..., n - 1 as s64.
inline var iota(builder& to, std::int64_t n) {
  if (n < 0 || n > (std::int64_t{1} << 24)) return to.fail(errc::too_large, "a range would be too long");
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return to.integers(values);
}

/// A tensor of one value.
inline var full(builder& to, dtype type, const dim_list& dims, double v) { return expand(scalar(to, type, v), dims); }

inline var pad(var x, kernels::nd::pad_fn mode, const dim_list& begins, const dim_list& ends, var fill = {}) {
  std::vector<std::int32_t> attributes(7, 0);
  attributes[0] = static_cast<std::int32_t>(mode);
  if (x.to->failed()) return x;
  dim_list dims = x.dims();
  for (std::size_t i = 0; i < dims.size(); ++i) {
    dims[i] += begins[i] + ends[i];
    if (i < 6) attributes[1 + i] = static_cast<std::int32_t>(begins[i]);
    if (dims[i] < 0) return x.to->fail(errc::bad_value, "Pad: an extent would become negative");
  }
  if (dims == x.dims() && begins == dim_list(dims.size(), 0)) return x;
  const var inputs[] = {x, fill};
  const value_type t{x.type(), dims};
  return x.to->emit(op_kind::nd_pad, std::span(inputs, fill ? 2 : 1), attributes, std::span(&t, 1))[0];
}

inline var gather(var x, var index, std::int64_t axis) {
  if (x.to->failed()) return x;
  dim_list dims(x.dims().begin(), x.dims().begin() + axis);
  dims.insert(dims.end(), index.dims().begin(), index.dims().end());
  dims.insert(dims.end(), x.dims().begin() + axis + 1, x.dims().end());
  return x.to->emit(op_kind::nd_gather, {x, index}, {static_cast<std::int32_t>(axis)}, x.type(), dims);
}

}  // namespace dsmm::inline DSMM_ABI::convert
