// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/writer.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Extents as a file holds them; those of a value that passed the builder fit.
inline std::vector<std::int32_t> file_dims(const dim_list& dims) {
  std::vector<std::int32_t> out;
  for (const std::int64_t d : dims) out.push_back(static_cast<std::int32_t>(d));
  return out;
}

/// Roughly how many multiply-adds or moves an op costs; saturates. Folding is only for what is quick.
inline std::uint64_t cost_of(const lowered_graph& graph, const lowered_op& op, std::span<const value_type> outputs) {
  const auto count = [](const dim_list& dims) {
    return static_cast<double>(std::max<std::int64_t>(count_of(dims), 1));
  };
  const auto input = [&](std::size_t i) -> const dim_list& { return graph.values[op.inputs[i]].dims; };
  double cost = 0;
  for (const value_type& t : outputs) cost += count(t.dims);
  for (const std::uint32_t id : op.inputs)
    if (id != no_value) cost += count(graph.values[id].dims);
  const double y = count(outputs[0].dims);
  switch (op.kind) {
    case op_kind::nd_matmul:
    case op_kind::nd_matmul_integer:
      cost += y * static_cast<double>(input(0).back()) + y * static_cast<double>(input(1).back());
      break;
    case op_kind::nd_matmul_nbits: cost += y * static_cast<double>(input(0).back()); break;
    case op_kind::nd_conv:
    case op_kind::nd_conv_integer:
      cost += y * count(input(1)) / static_cast<double>(std::max<std::int64_t>(input(1)[0], 1));
      break;
    case op_kind::nd_conv_transpose: cost += count(input(0)) * count(input(1)); break;
    case op_kind::nd_pool: cost += y * op.attributes[6] * op.attributes[7] * op.attributes[8]; break;
    case op_kind::nd_resize: cost += y * (op.attributes[5] != 0 ? 4096 : 64); break;
    case op_kind::nd_rnn: cost += count(input(0)) * count(input(1)) + y * count(input(2)); break;
    case op_kind::nd_nms: cost += count(input(1)) * count(input(1)); break;
    case op_kind::nd_topk: cost *= 32; break;
    case op_kind::nd_grid_sample:
    case op_kind::nd_roi_align: cost += y * 65'536; break;
    default: break;
  }
  return cost < 1e18 ? static_cast<std::uint64_t>(cost) : std::uint64_t{1} << 60;
}

/// The outputs of an op whose inputs are all constants: a model of this one op is written, verified and run, so that
/// folding gives the bits that running would. Errors: as model::open and session::prepare.
/// general: ops::nd::find_definition.
inline result<std::vector<std::vector<std::byte>>> evaluate(const lowered_graph& graph, const lowered_op& op,
                                                            std::span<const value_type> outputs,
                                                            ops::find_operator general) {
  model_writer writer;
  std::vector<std::uint32_t> in, out;
  for (const std::uint32_t id : op.inputs) {
    if (id == no_value) {
      in.push_back(format::no_tensor);
      continue;
    }
    const lowered_value& v = graph.values[id];
    in.push_back(writer.constant("", v.type, file_dims(v.dims), v.bytes));
  }
  for (const value_type& t : outputs)
    out.push_back(
        writer.plain(format::tensor_kind::output, "y" + std::to_string(out.size()), t.type, file_dims(t.dims)));
  writer.program("fold");
  writer.op(op.kind, op.name, in, out, op.attributes);
  auto file = writer.finish();
  if (!file) return file.error();
  const auto m = model::open(std::as_const(*file).bytes());
  if (!m) return m.error();
  session_options options;
  options.general = general;
  const auto bytes = session::required(*m, options);
  if (!bytes) return bytes.error();
  auto arena = file_bytes::allocate(*bytes);
  if (!arena) return arena.error();
  auto s = session::prepare(*m, arena->bytes(), options);
  if (!s) return s.error();
  s->run();
  std::vector<std::vector<std::byte>> results;
  for (const std::uint32_t t : out) {
    const auto data = s->plain(t);
    results.emplace_back(data.begin(), data.end());
  }
  return results;
}

}  // namespace dsmm::inline DSMM_ABI::convert
