// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// META of a model, in its order, to be written back.
inline std::vector<std::pair<std::string, std::string>> meta_of(const model& m) {
  std::vector<std::pair<std::string, std::string>> out;
  std::string_view rest = m.meta();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (const std::size_t equal = line.find('='); equal != std::string_view::npos)
      out.emplace_back(line.substr(0, equal), line.substr(equal + 1));
    rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : line.size());
  }
  return out;
}

/// A model of general operators as a graph that can be edited; value i is tensor i. Its constants are views on the
/// model's file, which must outlive the graph.
/// Errors: unsupported (integer operators, or several programs).
inline result<lowered_graph> read_graph(const model& m) {
  if (m.programs().size() != 1)
    return failure{errc::unsupported, "only a model with one program can be changed: the result of dsmm import"};
  lowered_graph g;
  for (std::uint32_t i = 0; i < m.tensors().size(); ++i) {
    const format::tensor_row& t = m.tensors()[i];
    lowered_value v;
    v.type = ops::type_of(t);
    v.dims.assign(t.dims.begin(), t.dims.begin() + t.rank);
    v.is_input = t.kind == format::tensor_kind::input;
    v.is_constant = t.kind == format::tensor_kind::constant;
    if (v.is_constant) v.bytes = m.constant(i);
    if (v.is_input) g.inputs.push_back({v.name = std::string(m.name(t.name)), i});
    if (t.kind == format::tensor_kind::output) g.outputs.push_back({std::string(m.name(t.name)), i});
    g.values.push_back(std::move(v));
  }
  for (const format::op_row& row : m.ops()) {
    if (!is_general(row.kind))
      return failure{errc::unsupported,
                     "the model has integer operators already: prune and quantize what dsmm import wrote"};
    lowered_op op{static_cast<op_kind>(row.kind), std::string(m.name(row.name)), {}, {}, {}};
    op.inputs.assign(m.inputs(row).begin(), m.inputs(row).end());
    op.outputs.assign(m.outputs(row).begin(), m.outputs(row).end());
    const auto first = m.attributes().begin() + row.first_attribute;
    op.attributes.assign(first, first + find_signature(row.kind)->attributes);
    g.ops.push_back(std::move(op));
  }
  return g;
}

/// Of an aligned constant: those of .dsmm files are, others after align_constants().
inline std::span<const float> floats_of(const lowered_value& v) noexcept {
  return {reinterpret_cast<const float*>(v.bytes.data()), v.bytes.size() / sizeof(float)};
}

inline bool is_f32_constant(const lowered_graph& g, std::uint32_t v) noexcept {
  return v != no_value && g.values[v].is_constant && g.values[v].type == dtype::f32;
}

/// Appends a constant that the graph owns; returns its value.
inline std::uint32_t add_constant(lowered_graph& g, dtype type, dim_list dims, std::span<const std::byte> bytes) {
  lowered_value v{type, std::move(dims)};
  v.is_constant = true;
  auto kept = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  v.bytes = *kept;
  v.owned = std::move(kept);
  g.values.push_back(std::move(v));
  return static_cast<std::uint32_t>(g.values.size() - 1);
}

static_assert(no_value == format::no_tensor, "absent inputs are marked alike in files and graphs");

}  // namespace dsmm::inline DSMM_ABI::convert
