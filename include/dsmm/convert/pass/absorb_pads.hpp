// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/pass/rewriter.hpp"
#include "dsmm/kernels/nd/functions.hpp"

/// Zeros that a Pad puts around a picture or a series are the padding of the convolution or the average behind it.
namespace dsmm::inline DSMM_ABI::convert {

namespace absorb_impl {

/// Where an op keeps its paddings: begin of three, then ends of three. 0: it has none that a Pad could go into.
inline std::size_t padding_slot(const lowered_op& op) noexcept {
  using kernels::nd::pool_fn;
  if (op.kind == op_kind::nd_conv) return 11;
  if (op.kind != op_kind::nd_pool || op.attributes[0] != static_cast<std::int32_t>(pool_fn::average)) return 0;
  const bool ceil = op.attributes[4] != 0, counts = op.attributes[3] != 0;
  bool padded = false;
  for (std::size_t i = 15; i < 21; ++i) padded = padded || op.attributes[i] != 0;
  return ceil || (padded && !counts) ? 0 : 15;
}

/// The elements that `pad` adds before and behind each spatial axis of its input; false if it does anything else.
inline bool spatial_zeros(rewriter& r, const lowered_op& pad, std::vector<std::int32_t>& begin,
                          std::vector<std::int32_t>& end) {
  if (pad.attributes[0] != static_cast<std::int32_t>(kernels::nd::pad_fn::constant)) return false;
  if (pad.inputs.size() > 1 && pad.inputs[1] != no_value && r.number(pad.inputs[1]) != 0.0) return false;
  const dim_list &from = r.value(pad.inputs[0]).dims, &to = r.value(pad.outputs[0]).dims;
  if (r.value(pad.inputs[0]).type != dtype::f32 || from.size() < 3 || from.size() > 5) return false;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::int64_t before = pad.attributes[1 + i], behind = to[i] - from[i] - before;
    if (before < 0 || behind < 0 || before > 4096 || behind > 4096 || (i < 2 && to[i] != from[i])) return false;
    if (i < 2) continue;
    begin.push_back(static_cast<std::int32_t>(before));
    end.push_back(static_cast<std::int32_t>(behind));
  }
  return true;
}

/// Elements that a window spans along a spatial axis: paddings stay below it, so that no window sees padding alone.
inline std::int64_t window_reach(const rewriter& r, const lowered_op& op, std::size_t axis) {
  const bool conv = op.kind == op_kind::nd_conv;
  const std::int64_t kernel = conv ? r.value(op.inputs[1]).dims[2 + axis] : op.attributes[6 + axis];
  return (kernel - 1) * op.attributes[(conv ? 8 : 12) + axis] + 1;
}

template <class May>
bool pad_into(rewriter& r, lowered_op& op, const May& may) {
  const std::size_t slot = padding_slot(op);
  const lowered_op* pad = op.inputs.empty() ? nullptr : r.producer(op.inputs[0]);
  std::vector<std::int32_t> begin, end;
  if (slot == 0 || pad == nullptr || pad->kind != op_kind::nd_pad || !may(*pad)) return false;
  if (!spatial_zeros(r, *pad, begin, end)) return false;
  if (op.attributes[1] != static_cast<std::int32_t>(begin.size())) return false;
  std::vector<std::uint32_t> inputs = op.inputs;
  std::vector<std::int32_t> attributes = op.attributes;
  inputs[0] = pad->inputs[0];
  for (std::size_t i = 0; i < begin.size(); ++i) {
    attributes[slot + i] += begin[i];
    attributes[slot + 3 + i] += end[i];
    const std::int64_t most = window_reach(r, op, i) - 1;
    if (attributes[slot + i] > most || attributes[slot + 3 + i] > most) return false;
  }
  if (op.kind == op_kind::nd_pool) attributes[3] = 1;
  r.replace(op, op.kind, std::move(inputs), std::move(attributes));
  return true;
}

}  // namespace absorb_impl

/// may(pad) says whether a Pad may go.
template <class May>
void absorb_pads(rewriter& r, const May& may) {
  for (lowered_op& op : r.ops()) absorb_impl::pad_into(r, op, may);
}
inline void absorb_pads(rewriter& r) {
  absorb_pads(r, [](const lowered_op&) { return true; });
}

}  // namespace dsmm::inline DSMM_ABI::convert
