// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/kernels/nd/functions.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A graph while passes look for patterns in it: who computes a value, and how often it is read.
/// A pass turns the last op of a pattern into the op that does it all; what nobody reads any more is dropped by
/// remove_dead_ops().
class rewriter {
public:
  explicit rewriter(lowered_graph& graph) : graph_(graph) { recount(); }

  lowered_graph& graph() noexcept { return graph_; }
  std::vector<lowered_op>& ops() noexcept { return graph_.ops; }
  const lowered_value& value(std::uint32_t id) const noexcept { return graph_.values[id]; }

  /// The op that computes a value; nullptr for inputs, constants and absent inputs.
  lowered_op* producer(std::uint32_t id) noexcept {
    if (id == no_value || producers_[id] == no_value) return nullptr;
    return &graph_.ops[producers_[id]];
  }
  bool is(std::uint32_t id, op_kind kind) noexcept {
    const lowered_op* op = producer(id);
    return op != nullptr && op->kind == kind;
  }
  lowered_op* unary(std::uint32_t id, kernels::nd::unary_fn fn) noexcept {
    lowered_op* op = producer(id);
    return op != nullptr && is_unary(*op, fn) ? op : nullptr;
  }
  lowered_op* binary(std::uint32_t id, kernels::nd::binary_fn fn) noexcept {
    lowered_op* op = producer(id);
    return op != nullptr && is_binary(*op, fn) ? op : nullptr;
  }
  static bool is_unary(const lowered_op& op, kernels::nd::unary_fn fn) noexcept {
    return op.kind == op_kind::nd_unary && op.attributes[0] == static_cast<std::int32_t>(fn);
  }
  static bool is_binary(const lowered_op& op, kernels::nd::binary_fn fn) noexcept {
    return op.kind == op_kind::nd_binary && op.attributes[0] == static_cast<std::int32_t>(fn);
  }
  /// Read by one op and no output of the graph.
  bool read_once(std::uint32_t id) const noexcept { return reads_[id] == 1; }

  /// A constant of one f32 element.
  std::optional<double> number(std::uint32_t id) const noexcept {
    if (id == no_value || !value(id).is_constant || value(id).type != dtype::f32 || value(id).bytes.size() != 4)
      return std::nullopt;
    float v = 0;
    std::memcpy(&v, value(id).bytes.data(), 4);
    return static_cast<double>(v);
  }
  bool is_near(std::uint32_t id, double wanted) const noexcept {
    const auto v = number(id);
    return v && std::fabs(*v - wanted) <= 1e-5 * std::fabs(wanted);
  }

  std::vector<float> floats(std::uint32_t id) const {
    std::vector<float> out(value(id).bytes.size() / 4);
    if (!out.empty()) std::memcpy(out.data(), value(id).bytes.data(), out.size() * 4);
    return out;
  }
  std::uint32_t constant(dim_list dims, std::span<const float> values) {
    lowered_value v{dtype::f32, std::move(dims)};
    v.is_constant = true;
    const auto bytes = std::as_bytes(values);
    auto kept = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    v.bytes = *kept;
    v.owned = std::move(kept);
    graph_.values.push_back(std::move(v));
    return static_cast<std::uint32_t>(graph_.values.size() - 1);
  }

  /// Becomes another op with the same output. The inputs must be computed before it.
  void replace(lowered_op& op, op_kind kind, std::vector<std::uint32_t> inputs, std::vector<std::int32_t> attributes) {
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.attributes = std::move(attributes);
  }

  /// After a pass: counts afresh, without what is dead.
  void recount() {
    producers_.assign(graph_.values.size(), no_value);
    reads_.assign(graph_.values.size(), 0);
    for (std::size_t i = 0; i < graph_.ops.size(); ++i) {
      for (const std::uint32_t v : graph_.ops[i].inputs)
        if (v != no_value) ++reads_[v];
      for (const std::uint32_t v : graph_.ops[i].outputs) producers_[v] = static_cast<std::uint32_t>(i);
    }
    for (const lowered_port& p : graph_.outputs) reads_[p.value] += 2;  // never to be fused away
  }

private:
  lowered_graph& graph_;
  std::vector<std::uint32_t> producers_, reads_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
