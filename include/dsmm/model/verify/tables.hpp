// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/container.hpp"
#include "dsmm/model/verify/text.hpp"

/// Second layer of the verifier: the tables of GRAPH, names, and the indices of ops.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// Cuts GRAPH into its tables; they fill the section exactly.
inline result<void> split_graph(std::span<const std::byte> graph, model_rows& rows) noexcept {
  if (graph.size() < sizeof(format::graph_header))
    return failure{errc::truncated, "GRAPH: missing or shorter than its header"};
  const format::graph_header& h = rows_at<format::graph_header>(graph, 0, 1).front();
  if (h.tensor_count > format::max_tensors || h.op_count > format::max_ops || h.program_count > format::max_programs)
    return failure{errc::too_large, "GRAPH: more than 65536 tensors, 65536 ops or 16 programs"};
  if (h.op_count == 0 || h.program_count == 0) return failure{errc::bad_value, "GRAPH: no op or no program"};
  for (const std::uint32_t r : h.reserved)
    if (r != 0) return failure{errc::bad_value, "GRAPH: reserved bytes must be zero"};
  const checked_size tensors = checked_size(h.tensor_count) * sizeof(format::tensor_row);
  const checked_size ops = checked_size(h.op_count) * sizeof(format::op_row);
  const checked_size programs = checked_size(h.program_count) * sizeof(format::program_row);
  const checked_size words = (checked_size(h.index_count) + h.attribute_count) * sizeof(std::uint32_t);
  const checked_size total = checked_size(sizeof(format::graph_header)) + tensors + ops + programs + words;
  if (!total.valid() || total.value() != graph.size())
    return failure{errc::bad_layout, "GRAPH: its counts do not add up to its length"};
  std::size_t at = sizeof(format::graph_header);
  const auto take = [&]<class T>(std::span<const T>& table, std::size_t count) {
    table = rows_at<T>(graph, at, count);
    at += table.size_bytes();
  };
  take(rows.tensors, h.tensor_count);
  take(rows.ops, h.op_count);
  take(rows.programs, h.program_count);
  take(rows.indices, h.index_count);
  take(rows.attributes, h.attribute_count);
  return {};
}

/// A failure that carries a row's index and, if it can be read, its name.
inline failure fail_row(const model_rows& rows, errc code, const char* text, std::size_t row,
                        format::string_ref ref) noexcept {
  const std::string_view name = rows.name(ref);
  return failure{code, text, static_cast<std::int64_t>(row)}.named(name.data(), name.size());
}

inline result<void> check_name(const model_rows& rows, format::string_ref ref, std::size_t row,
                               const char* text) noexcept {
  if (!rows.has_name(ref)) return failure{errc::bad_index, text, static_cast<std::int64_t>(row)};
  if (!is_text(rows.name(ref))) return failure{errc::bad_value, text, static_cast<std::int64_t>(row)};
  return {};
}

/// Kind, counts and table ranges of every op; after this, inputs(), outputs() and attributes may be read.
inline result<void> check_ops(const model_rows& rows) noexcept {
  const auto inside = [](std::uint32_t first, std::uint32_t count, std::size_t size) {
    return first <= size && count <= size - first;
  };
  for (std::size_t i = 0; i < rows.ops.size(); ++i) {
    const format::op_row& op = rows.ops[i];
    const auto fail = [&](errc code, const char* text) { return fail_row(rows, code, text, i, op.name); };
    if (auto r = check_name(rows, op.name, i, "op: its name is outside STRINGS, too long or not UTF-8"); !r) return r;
    const op_signature* s = find_signature(op.kind);
    if (s == nullptr) return fail(errc::unsupported, "op: this version of dsmm has no such operator");
    if (op.input_count < s->min_inputs || op.input_count > s->max_inputs)
      return fail(errc::bad_value, "op: wrong number of inputs for its kind");
    if (op.output_count < s->outputs || op.output_count > s->outputs + s->more_outputs)
      return fail(errc::bad_value, "op: wrong number of outputs for its kind");
    if (!inside(op.first_input, op.input_count, rows.indices.size()) ||
        !inside(op.first_output, op.output_count, rows.indices.size()))
      return fail(errc::bad_index, "op: its inputs or outputs lie outside the index table");
    if (!inside(op.first_attribute, s->attributes, rows.attributes.size()))
      return fail(errc::bad_index, "op: its attributes lie outside the attribute table");
    for (std::uint32_t k = 0; k < op.input_count; ++k) {
      const std::uint32_t t = rows.inputs(op)[k];
      if (t >= rows.tensors.size() && !(t == format::no_tensor && (s->optional >> k & 1) != 0))
        return fail(errc::bad_index, "op: an input is not in the tensor table");
    }
    for (const std::uint32_t t : rows.outputs(op))
      if (t >= rows.tensors.size()) return fail(errc::bad_index, "op: an output is not in the tensor table");
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
