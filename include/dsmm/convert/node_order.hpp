// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/onnx_graph.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace node_order_impl {

/// Names that a node reads, those that graphs inside it read from around them included.
inline void push_names(const onnx::node& n, std::vector<std::string_view>& to) {
  to.insert(to.end(), n.inputs.begin(), n.inputs.end());
  for (const onnx::attribute& a : n.attributes) {
    if (!a.graph) continue;
    for (const onnx::node& inner : a.graph->nodes) push_names(inner, to);
    for (const onnx::value_info& o : a.graph->outputs) to.push_back(o.name);
  }
}

}  // namespace node_order_impl

/// Nodes so that each stands behind those that give its inputs, else as in the file. ONNX asks for this order, but
/// tools that insert nodes (float16 converters) append them, and ONNX Runtime takes that. A cycle stays as it is.
inline std::vector<const onnx::node*> in_order(const std::vector<onnx::node>& nodes) {
  std::map<std::string_view, std::size_t> givers;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const std::string_view name : nodes[i].outputs)
      if (!name.empty()) givers.emplace(name, i);
  struct open_node {
    std::size_t node;
    std::vector<std::string_view> left;
  };
  std::vector<const onnx::node*> order;
  std::vector<bool> seen(nodes.size(), false);
  std::vector<open_node> open;  // a path of nodes that wait for the one behind them
  const auto enter = [&](std::size_t i) {
    seen[i] = true;
    open.push_back({i, {}});
    node_order_impl::push_names(nodes[i], open.back().left);
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!seen[i]) enter(i);
    while (!open.empty()) {
      if (open.back().left.empty()) {
        order.push_back(&nodes[open.back().node]);
        open.pop_back();
        continue;
      }
      const auto giver = givers.find(open.back().left.back());
      open.back().left.pop_back();
      if (giver != givers.end() && !seen[giver->second]) enter(giver->second);
    }
  }
  return order;
}

}  // namespace dsmm::inline DSMM_ABI::convert
