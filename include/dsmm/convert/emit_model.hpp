// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/fold.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/writer.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Ops of which some output is needed for the outputs of the graph; the rest goes.
inline void remove_dead_ops(lowered_graph& graph) {
  std::vector<bool> live(graph.values.size(), false);
  for (const lowered_port& p : graph.outputs) live[p.value] = true;
  std::vector<bool> keep(graph.ops.size(), false);
  for (std::size_t i = graph.ops.size(); i-- > 0;) {
    for (const std::uint32_t v : graph.ops[i].outputs) keep[i] = keep[i] || live[v];
    if (!keep[i]) continue;
    for (const std::uint32_t v : graph.ops[i].inputs)
      if (v != no_value) live[v] = true;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < graph.ops.size(); ++i)
    if (keep[i]) {
      if (kept != i) graph.ops[kept] = std::move(graph.ops[i]);
      ++kept;
    }
  graph.ops.resize(kept);
}

/// The op that copies a value as it is, for outputs that nothing computes: an input or a constant.
inline lowered_op plain_copy(std::string_view name, std::uint32_t from, std::uint32_t to, const dim_list& dims) {
  lowered_op op{op_kind::nd_copy, std::string(name), {from}, {to}, std::vector<std::int32_t>(7, 0)};
  std::int64_t stride = 1;
  for (std::size_t i = dims.size(); i-- > 0; stride *= std::max<std::int64_t>(dims[i], 1))
    op.attributes[1 + i] = static_cast<std::int32_t>(stride);
  return op;
}

/// Outputs that share a value, or are inputs or constants, get a copy of their own.
inline void separate_outputs(lowered_graph& graph) {
  std::vector<bool> taken(graph.values.size(), false);
  for (lowered_port& p : graph.outputs) {
    const lowered_value v = graph.values[p.value];
    if (!v.is_constant && !v.is_input && !taken[p.value]) {
      taken[p.value] = true;
      continue;
    }
    lowered_value copy;
    copy.type = v.type;
    copy.dims = v.dims;
    graph.values.push_back(std::move(copy));
    const auto id = static_cast<std::uint32_t>(graph.values.size() - 1);
    graph.ops.push_back(plain_copy(p.name, p.value, id, v.dims));
    p.value = id;
  }
}

/// Inputs that no op reads any more are left out: only their shape or type was asked for.
inline void remove_unread_inputs(lowered_graph& graph) {
  std::vector<bool> read(graph.values.size(), false);
  for (const lowered_op& op : graph.ops)
    for (const std::uint32_t v : op.inputs)
      if (v != no_value) read[v] = true;
  std::erase_if(graph.inputs, [&](const lowered_port& p) { return !read[p.value]; });
}

/// A graph as the bytes of a .dsmm file with one program, "main". Errors: as model_writer::finish.
inline result<file_bytes> emit_model(lowered_graph& graph,
                                     const std::vector<std::pair<std::string, std::string>>& meta) {
  separate_outputs(graph);
  remove_dead_ops(graph);
  remove_unread_inputs(graph);
  model_writer writer;
  std::vector<std::uint32_t> index(graph.values.size(), format::no_tensor);
  const auto plain = [&](format::tensor_kind kind, std::string_view name, std::uint32_t id) {
    const lowered_value& v = graph.values[id];
    index[id] = writer.plain(kind, name, v.type, file_dims(v.dims));
  };
  for (const lowered_port& p : graph.inputs) plain(format::tensor_kind::input, p.name, p.value);
  for (const lowered_port& p : graph.outputs) plain(format::tensor_kind::output, p.name, p.value);
  writer.program("main");
  const auto tensor = [&](std::uint32_t id) {
    if (id == no_value) return format::no_tensor;
    const lowered_value& v = graph.values[id];
    if (index[id] != format::no_tensor) return index[id];
    if (v.is_constant) index[id] = writer.constant("", v.type, file_dims(v.dims), v.bytes);
    else plain(format::tensor_kind::value, "", id);
    return index[id];
  };
  for (const lowered_op& op : graph.ops) {
    std::vector<std::uint32_t> in, out;
    for (const std::uint32_t v : op.inputs) in.push_back(tensor(v));
    for (const std::uint32_t v : op.outputs) out.push_back(tensor(v));
    writer.op(op.kind, std::string_view(op.name).substr(0, format::max_name), in, out, op.attributes);
  }
  for (const auto& [key, value] : meta) writer.meta(key, value);
  return writer.finish();
}

}  // namespace dsmm::inline DSMM_ABI::convert
