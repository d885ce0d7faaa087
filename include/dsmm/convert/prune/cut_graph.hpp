// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/channel_classes.hpp"
#include "dsmm/convert/prune/copy_map.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// Entries of each value's channel axis that stay, and where they go.
struct kept_entries {
  std::vector<std::int64_t> kept{};   ///< old entries, ascending
  std::vector<std::int64_t> place{};  ///< by old entry: the new one, -1 if gone

  bool cuts() const noexcept { return kept.size() != place.size(); }
};

namespace cut_impl {

inline kept_entries entries_of(std::span<const std::uint32_t> labels, const channel_classes& classes,
                               const std::vector<bool>& removed) {
  kept_entries e;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int32_t c = classes.of_label[labels[i]];
    const bool gone = c >= 0 && removed[static_cast<std::size_t>(c)];
    e.place.push_back(gone ? -1 : static_cast<std::int64_t>(e.kept.size()));
    if (!gone) e.kept.push_back(static_cast<std::int64_t>(i));
  }
  return e;
}

/// A constant with only the given entries of an axis.
inline std::uint32_t cut_constant(lowered_graph& g, std::uint32_t v, std::size_t axis,
                                  std::span<const std::int64_t> kept) {
  const dim_list dims = g.values[v].dims;
  const dtype type = g.values[v].type;
  const auto inner = static_cast<std::size_t>(copy_impl::inner_of(dims, axis)) * size_of(type);
  const auto extent = static_cast<std::size_t>(dims[axis]);
  const std::span<const std::byte> from = g.values[v].bytes;
  std::vector<std::byte> bytes;
  for (std::size_t outer = 0; outer < from.size() / (inner * extent); ++outer)
    for (const std::int64_t k : kept) {
      const auto row = from.subspan((outer * extent + static_cast<std::size_t>(k)) * inner, inner);
      bytes.insert(bytes.end(), row.begin(), row.end());
    }
  dim_list cut = dims;
  cut[axis] = static_cast<std::int64_t>(kept.size());
  return add_constant(g, type, std::move(cut), bytes);
}

/// Weights, bias and groups of a mixing layer. Dimensions of values are still the old ones.
inline void cut_layer(lowered_graph& g, const mixing_layer& l, const kept_entries& x, const kept_entries& y) {
  lowered_op& op = g.ops[l.op];
  const std::size_t rows = l.conv || op.attributes[1] != 0 ? 0 : 1, columns = 1 - rows;
  if (y.cuts()) {
    op.inputs[1] = cut_constant(g, op.inputs[1], rows, y.kept);
    if (op.inputs.size() > 2 && op.inputs[2] != no_value)
      op.inputs[2] = cut_constant(g, op.inputs[2], g.values[op.inputs[2]].dims.size() - 1, y.kept);
  }
  if (!x.cuts()) return;
  if (l.depthwise()) {
    op.attributes[0] = static_cast<std::int32_t>(x.kept.size());
    return;
  }
  std::vector<std::int64_t> first_group;  // every group keeps the same channels
  for (const std::int64_t k : x.kept)
    if (k < l.in) first_group.push_back(k);
  op.inputs[1] = cut_constant(g, op.inputs[1], columns, first_group);
}

}  // namespace cut_impl

/// Takes classes out of a graph; values keep their numbers. If an op cannot work on what is left (a copy that no
/// strides describe), nothing is returned and `stuck` names it: build the channel_graph again with it untouchable.
inline std::optional<lowered_graph> cut_graph(const lowered_graph& g, std::span<const mixing_layer> layers,
                                              const channel_graph& channels, const channel_classes& classes,
                                              const std::vector<bool>& removed, std::size_t& stuck) {
  using namespace cut_impl;
  lowered_graph out = g;
  std::vector<kept_entries> entries(g.values.size());
  for (std::uint32_t v = 0; v < g.values.size(); ++v)
    entries[v] = entries_of(channels.axis(v).labels, classes, removed);
  for (const mixing_layer& l : layers) cut_layer(out, l, entries[l.x], entries[l.y]);
  for (std::size_t i = 0; i < g.ops.size(); ++i) {
    lowered_op& op = out.ops[i];
    if (op.outputs.empty()) continue;
    const std::uint32_t y = op.outputs[0];
    if (op.kind == op_kind::nd_copy) {
      const std::uint32_t x = op.inputs[0];
      if (!entries[x].cuts() && !entries[y].cuts()) continue;
      if (!channels.axis(x) || !channels.axis(y)) return stuck = i, std::nullopt;
      auto attributes = cut_copy(op, g.values[x].dims, static_cast<std::size_t>(channels.axis(x).axis),
                                 entries[x].place, static_cast<std::int64_t>(entries[x].kept.size()), g.values[y].dims,
                                 static_cast<std::size_t>(channels.axis(y).axis), entries[y].kept);
      if (!attributes) return stuck = i, std::nullopt;
      op.attributes = std::move(*attributes);
    } else if (op.kind == op_kind::nd_binary && entries[y].cuts()) {
      const std::size_t right = g.values[y].dims.size() - static_cast<std::size_t>(channels.axis(y).axis);
      for (std::uint32_t& v : op.inputs) {
        const dim_list& d = g.values[v].dims;
        if (g.values[v].is_constant && d.size() >= right && d[d.size() - right] > 1)
          v = cut_constant(out, v, d.size() - right, entries[y].kept);
      }
    }
  }
  for (std::uint32_t v = 0; v < g.values.size(); ++v)
    if (entries[v].cuts())
      out.values[v].dims[static_cast<std::size_t>(channels.axis(v).axis)] =
          static_cast<std::int64_t>(entries[v].kept.size());
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
