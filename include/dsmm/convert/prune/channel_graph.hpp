// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/copy_map.hpp"
#include "dsmm/convert/prune/label_sets.hpp"
#include "dsmm/convert/prune/mixing_layer.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// Which channels of which values can be cut, and which of them only together: through residual sums, concatenations,
/// depthwise and grouped convolutions, copies that flatten, split or shuffle, pools, reductions and elementwise ops.
/// What this class has no rule for keeps its channels: it can make a network less prunable, never wrong.
class channel_graph {
public:
  /// untouchable  ops whose inputs and outputs must keep all channels.
  explicit channel_graph(const lowered_graph& g, const std::set<std::size_t>& untouchable = {}) : g_(g) {
    axes_.resize(g.values.size());
    for (std::size_t i = 0; i < g.ops.size(); ++i) {
      visit(i);
      if (untouchable.contains(i)) {
        fix_inputs(g.ops[i]);
        for (const std::uint32_t v : g.ops[i].outputs) fix(v);
      }
    }
    for (const lowered_port& p : g.outputs) fix(p.value);
  }

  const channel_axis& axis(std::uint32_t value) const noexcept { return axes_[value]; }
  const label_sets& sets() const noexcept { return sets_; }

private:
  const dim_list& dims(std::uint32_t v) const noexcept { return g_.values[v].dims; }
  bool is_constant(std::uint32_t v) const noexcept { return g_.values[v].is_constant; }

  void fix(std::uint32_t v) noexcept {
    if (v != no_value) sets_.fix(axes_[v].labels);
  }
  void fix_inputs(const lowered_op& op) noexcept {
    for (const std::uint32_t v : op.inputs) fix(v);
  }

  void visit(std::size_t index) {
    const lowered_op& op = g_.ops[index];
    if (const auto layer = mixing_layer_of(g_, index)) return mix(*layer);
    const std::uint32_t x = op.inputs.empty() ? no_value : op.inputs[0];
    const std::uint32_t y = op.outputs.empty() ? no_value : op.outputs[0];
    if (x == no_value || y == no_value) return fix_inputs(op);
    switch (op.kind) {
      case op_kind::nd_binary: return binary(op);
      case op_kind::nd_concat: return concat(op);
      case op_kind::nd_copy: {
        if (!axes_[x]) return;
        axes_[y] = through_copy(op, dims(x), axes_[x], dims(y), sets_);
        return axes_[y] ? void() : fix(x);
      }
      default: break;
    }
    if (op.outputs.size() != 1 || !axes_[x] || !passes(op, static_cast<std::size_t>(axes_[x].axis)))
      return fix_inputs(op);
    axes_[y] = axes_[x];
    if (op.kind == op_kind::nd_reduce && op.attributes[2] == 0) {
      const auto before = (1u << axes_[x].axis) - 1u;
      axes_[y].axis -= std::popcount(static_cast<std::uint32_t>(op.attributes[1]) & before);
    }
  }

  /// Ops that treat every channel of their first input alike and for itself.
  bool passes(const lowered_op& op, std::size_t axis) const noexcept {
    const dim_list &x = dims(op.inputs[0]), &y = dims(op.outputs[0]);
    switch (op.kind) {
      case op_kind::nd_unary:
      case op_kind::nd_cast: return true;
      case op_kind::nd_pool: return axis == 1;
      case op_kind::nd_softmax: return op.attributes[1] != static_cast<std::int32_t>(axis);
      case op_kind::nd_reduce:
        return op.attributes[1] != 0 && (static_cast<std::uint32_t>(op.attributes[1]) >> axis & 1u) == 0;
      case op_kind::nd_pad: return op.attributes[1 + axis] == 0 && x[axis] == y[axis];
      case op_kind::nd_resize: {
        const float scale = std::bit_cast<float>(op.attributes[7 + axis]);
        return x[axis] == y[axis] && op.attributes[1] != 5 && (scale == 0.0f || scale == 1.0f);
      }
      default: return false;
    }
  }

  void mix(const mixing_layer& l) {
    const std::int32_t channel = l.conv ? 1 : static_cast<std::int32_t>(dims(l.x).size()) - 1;
    if (axes_[l.x] && axes_[l.x].axis != channel) fix(l.x), axes_[l.x] = {};
    const auto groups = static_cast<std::size_t>(l.groups), in = static_cast<std::size_t>(l.in);
    const auto out = static_cast<std::size_t>(l.out_per_group());
    std::vector<std::uint32_t> x = axes_[l.x].labels;
    x.resize(groups * in, label_sets::fixed);
    channel_axis y{l.conv ? 1 : static_cast<std::int32_t>(dims(l.y).size()) - 1, {}};
    if (groups > 1 && in == 1) {
      for (std::size_t o = 0; o < groups * out; ++o) y.labels.push_back(x[o / out]);  // a group goes with its input
    } else {
      const std::vector<std::uint32_t> one = sets_.fresh(out);  // every group loses the same of its channels
      for (std::size_t group = 0; group < groups; ++group) {
        y.labels.insert(y.labels.end(), one.begin(), one.end());
        for (std::size_t i = 0; i < in; ++i) sets_.unite(x[i], x[group * in + i]);
      }
    }
    if (l.residual != no_value) {
      if (!is_constant(l.residual) && axes_[l.residual].axis == y.axis) sets_.unite(axes_[l.residual].labels, y.labels);
      else fix(l.residual), sets_.fix(y.labels);
    }
    axes_[l.y] = std::move(y);
  }

  /// The entry of a broadcast operand that lies under the axis which is `right` from the end; 0 if it has none there.
  std::int64_t extent_under(std::uint32_t v, std::size_t right) const noexcept {
    const dim_list& d = dims(v);
    return d.size() < right ? 0 : d[d.size() - right];
  }

  void binary(const lowered_op& op) {
    const std::uint32_t y = op.outputs[0];
    std::uint32_t lead = no_value;  // the operand whose axis the result takes
    std::size_t right = 0;
    for (const std::uint32_t v : op.inputs) {
      if (!axes_[v]) continue;
      const std::size_t from_end = dims(v).size() - static_cast<std::size_t>(axes_[v].axis);
      if (extent_under(v, from_end) != extent_under(y, from_end) || (lead != no_value && from_end != right)) {
        fix(v);  // broadcast along its own channels, or at odds with the other operand
        if (lead != no_value && from_end != right && extent_under(v, right) > 1) return fix_inputs(op);
        continue;
      }
      if (lead == no_value) lead = v, right = from_end;
      else sets_.unite(axes_[lead].labels, axes_[v].labels);
    }
    if (lead == no_value) return fix_inputs(op);
    for (const std::uint32_t v : op.inputs)
      if (!axes_[v] && !is_constant(v) && extent_under(v, right) > 1) return fix_inputs(op);
    axes_[y] = {static_cast<std::int32_t>(dims(y).size() - right), axes_[lead].labels};
  }

  void concat(const lowered_op& op) {
    const std::uint32_t y = op.outputs[0];
    const std::int32_t along = op.attributes[0];
    bool any = false, on_axis = true, alike = true;
    const channel_axis& first = axes_[op.inputs[0]];
    for (const std::uint32_t v : op.inputs) {
      any = any || axes_[v];
      on_axis = on_axis && (!axes_[v] || axes_[v].axis == along);
      alike = alike && axes_[v] && axes_[v].axis == first.axis;
    }
    if (!any) return;
    if (on_axis) {
      axes_[y].axis = along;
      for (const std::uint32_t v : op.inputs) {
        std::vector<std::uint32_t> labels = axes_[v].labels;
        labels.resize(static_cast<std::size_t>(dims(v)[static_cast<std::size_t>(along)]), label_sets::fixed);
        axes_[y].labels.insert(axes_[y].labels.end(), labels.begin(), labels.end());
      }
    } else if (alike) {
      for (const std::uint32_t v : op.inputs) sets_.unite(first.labels, axes_[v].labels);
      axes_[y] = first;
    } else {
      fix_inputs(op);
    }
  }

  const lowered_graph& g_;
  label_sets sets_;
  std::vector<channel_axis> axes_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
