// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/builder.hpp"
#include "dsmm/kernels/nd/functions.hpp"

namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::reduce_fn;
using kernels::nd::softmax_fn;

/// What a reduction of nothing gives.
inline double empty_result(reduce_fn fn) noexcept {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  switch (fn) {
    case reduce_fn::max:
    case reduce_fn::log_sum:
    case reduce_fn::log_sum_exp: return -infinity;
    case reduce_fn::min: return infinity;
    case reduce_fn::prod: return 1;
    case reduce_fn::mean: return std::numeric_limits<double>::quiet_NaN();
    default: return 0;
  }
}

/// x of more axes than an op takes, with neighbours merged that are reduced both or stay both; `axes` become those of
/// it.
inline var with_merged_axes(var x, dim_list& axes) {
  dim_list dims, merged;
  bool last = false;
  for (std::int64_t i = 0; i < x.rank(); ++i) {
    const bool goes = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (i != 0 && goes == last) {
      dims.back() *= x.dim(i);
      continue;
    }
    if (goes) merged.push_back(static_cast<std::int64_t>(dims.size()));
    dims.push_back(x.dim(i));
    last = goes;
  }
  axes = merged;
  return x.to->reshape(x, dims);
}

/// axes: each in [0, rank).
inline var reduce(reduce_fn fn, var x, const dim_list& axes, bool keep) {
  builder& to = *x.to;
  if (to.failed()) return x;
  if (x.dims().size() > format::max_rank) {
    dim_list dims, merged = axes;
    for (std::int64_t i = 0; i < x.rank(); ++i)
      if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(x.dim(i));
      else if (keep) dims.push_back(1);
    const var flat = with_merged_axes(x, merged);
    if (flat.dims().size() > format::max_rank)
      return to.fail(errc::unsupported, "a reduction over too many dimensions");
    return to.reshape(reduce(fn, flat, merged, false), dims);
  }
  std::int32_t mask = 0;
  for (const std::int64_t a : axes) mask |= 1 << a;
  dim_list dims;
  for (std::int64_t i = 0; i < x.rank(); ++i)
    if ((mask >> i & 1) == 0) dims.push_back(x.dim(i));
    else if (keep) dims.push_back(1);
  if (x.count() == 0 && count_of(dims) != 0) {
    if ((fn == reduce_fn::max || fn == reduce_fn::min) && !is_float(x.type()))
      return to.fail(errc::unsupported, "a minimum or maximum of no integers is not supported");
    return full(to, x.type(), dims, empty_result(fn));
  }
  return to.emit(op_kind::nd_reduce, {x}, {static_cast<std::int32_t>(fn), mask, keep ? 1 : 0}, x.type(), dims);
}

inline var softmax(softmax_fn fn, var x, std::int64_t axis) {
  return x.to->emit(op_kind::nd_softmax, {x}, {static_cast<std::int32_t>(fn), static_cast<std::int32_t>(axis)},
                    x.type(), x.dims());
}

}  // namespace dsmm::inline DSMM_ABI::convert
