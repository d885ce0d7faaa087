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
#include "dsmm/ops/nd/registry.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Extents as a file holds them; those of a value that passed the builder fit.
inline std::vector<std::int32_t> file_dims(const dim_list& dims) {
  std::vector<std::int32_t> out;
  for (const std::int64_t d : dims) out.push_back(static_cast<std::int32_t>(d));
  return out;
}

/// The outputs of an op whose inputs are all constants: a model of this one op is written, verified and run, so that
/// folding gives the bits that running would. Errors: as model::open and session::prepare.
inline result<std::vector<std::vector<std::byte>>> evaluate(const lowered_graph& graph, const lowered_op& op,
                                                            std::span<const value_type> outputs) {
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
  options.general = &ops::nd::find_definition;
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
