// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Operators along the steps of a series: ReverseSequence, CumProd.
namespace dsmm::inline DSMM_ABI::convert {

/// The first lengths[b] steps of series b in reverse, the rest as they are; as bidirectional networks read padded ones.
inline void lower_reverse_sequence(node_scope& s) {
  var x = s.in(0);
  const var lengths = s.in(1);
  const std::int64_t time_axis = s.integer("time_axis", 0), batch_axis = s.integer("batch_axis", 1);
  if (s.to.failed()) return;
  if (x.rank() < 2 || (time_axis != 0 && time_axis != 1) || time_axis + batch_axis != 1)
    return s.fail(errc::bad_value, "ReverseSequence: attributes time_axis and batch_axis must be 0 and 1");
  if (time_axis == 0) x = swap_axes(x, 0, 1);
  const std::int64_t batch = x.dim(0), steps = x.dim(1);
  if (lengths.count() != batch) return s.fail(errc::shape_mismatch, "ReverseSequence: lengths are not one per series");
  const var t = iota(s.to, steps), n = cast(s.to.reshape(lengths, {batch, 1}), dtype::s64);
  const var from = where(binary(binary_fn::less, t, n), n - 1.0 - t, t);  // (B, T)
  x = s.to.emit(op_kind::nd_gather_nd, {x, s.to.reshape(from, {batch, steps, 1})}, {1}, x.type(), x.dims());
  s.out[0] = time_axis == 0 ? swap_axes(x, 0, 1) : x;
}

/// Products of all elements up to each one, in log2(n) rounds: round k multiplies by what lies 2^k before.
inline void lower_cumprod(node_scope& s) {
  var y = s.in(0);
  const dim_list given = s.constant(1, "CumProd: the axis must be known when the model is imported");
  const std::int64_t axis = s.axis(given.empty() ? 0 : given[0], y.rank()), n = y.dim(axis);
  const bool reverse = s.flag("reverse");
  if (s.to.failed() || n == 0) {
    s.out[0] = y;
    return;
  }
  const auto join = [&](var a, var b) { return concat(s.to, std::vector<var>{a, b}, axis); };
  if (reverse) y = slice(y, axis, n - 1, n, -1);
  if (s.flag("exclusive")) {
    dim_list first = y.dims();
    first[static_cast<std::size_t>(axis)] = 1;
    y = join(full(s.to, y.type(), first, 1), slice(y, axis, 0, n - 1));
  }
  for (std::int64_t shift = 1; shift < n && !s.to.failed(); shift *= 2)
    y = join(slice(y, axis, 0, shift), slice(y, axis, shift, n - shift) * slice(y, axis, 0, n - shift));
  s.out[0] = reverse ? slice(y, axis, n - 1, n, -1) : y;
}

inline constexpr lowering sequence_order_lowerings[] = {
    {"", "CumProd", lower_cumprod},
    {"", "ReverseSequence", lower_reverse_sequence},
};

}  // namespace dsmm::inline DSMM_ABI::convert
