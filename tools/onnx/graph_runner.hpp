// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/general_ops.hpp"
#include "tools/onnx/compare.hpp"

namespace dsmm::inline DSMM_ABI::tools {

inline convert::dim_list dims_of(const format::tensor_row& t) {
  return convert::dim_list(t.dims.begin(), t.dims.begin() + t.rank);
}

/// Keeps the first `length` entries along an axis.
inline array cut(const array& a, std::size_t axis, std::int64_t length) {
  array out = a;
  if (axis >= a.dims.size() || length >= a.dims[axis] || length < 0) return out;
  std::size_t inner = size_of(a.type), outer = 1;
  for (std::size_t i = axis + 1; i < a.dims.size(); ++i) inner *= static_cast<std::size_t>(a.dims[i]);
  for (std::size_t i = 0; i < axis; ++i) outer *= static_cast<std::size_t>(a.dims[i]);
  const std::size_t row = inner * static_cast<std::size_t>(a.dims[axis]),
                    kept = inner * static_cast<std::size_t>(length);
  out.bytes.clear();
  for (std::size_t i = 0; i < outer; ++i)
    out.bytes.insert(out.bytes.end(), a.bytes.begin() + static_cast<std::ptrdiff_t>(i * row),
                     a.bytes.begin() + static_cast<std::ptrdiff_t>(i * row + kept));
  out.dims[axis] = length;
  return out;
}

/// Cuts outputs whose length depends on data (META: open.NAME = axis, output NAME.length) and drops the lengths.
inline void cut_open_outputs(const model& m, std::map<std::string, array>& outputs) {
  for (auto at = outputs.begin(); at != outputs.end();) {
    const auto axis = m.meta("open." + at->first);
    const auto length = outputs.find(at->first + ".length");
    if (axis && length != outputs.end() && !axis->empty())
      at->second = cut(at->second, static_cast<std::size_t>((*axis)[0] - '0'),
                       static_cast<std::int64_t>(number_at(length->second, 0)));
    ++at;
  }
  std::erase_if(outputs, [&](const auto& o) {
    return o.first.ends_with(".length") && m.meta("open." + o.first.substr(0, o.first.size() - 7)).has_value();
  });
}

/// Runs a prepared model of general operators once; its first program.
/// Errors: not_found, shape_mismatch, dtype_mismatch (an input).
inline result<std::map<std::string, array>> run_once(session& s, const std::map<std::string, array>& inputs) {
  const model& m = s.source();
  for (std::uint32_t i = 0; i < m.tensors().size(); ++i) {
    const format::tensor_row& t = m.tensors()[i];
    if (t.kind != format::tensor_kind::input) continue;
    const std::string name(m.name(t.name));
    const auto at = inputs.find(name);
    if (at == inputs.end()) return failure{errc::not_found, "an input was not given"}.named(name.data(), name.size());
    if (at->second.type != ops::type_of(t))
      return failure{errc::dtype_mismatch, "an input has another element type"}.named(name.data(), name.size());
    const auto to = s.plain(i);
    if (at->second.dims != dims_of(t) || at->second.bytes.size() != to.size())
      return failure{errc::shape_mismatch, "an input has another shape"}.named(name.data(), name.size());
    if (!to.empty()) std::memcpy(to.data(), at->second.bytes.data(), to.size());
  }
  s.run();
  std::map<std::string, array> outputs;
  for (std::uint32_t i = 0; i < m.tensors().size(); ++i) {
    const format::tensor_row& t = m.tensors()[i];
    if (t.kind != format::tensor_kind::output) continue;
    const auto from = s.plain(i);
    outputs[std::string(m.name(t.name))] = {ops::type_of(t), dims_of(t), {from.begin(), from.end()}};
  }
  cut_open_outputs(m, outputs);
  return outputs;
}

/// Prepares and runs a model of general operators once. Errors: those of session and run_once.
inline result<std::map<std::string, array>> run_graph(const model& m, const std::map<std::string, array>& inputs,
                                                      executor exec = {}) {
  session_options options;
  options.exec = exec;
  options.general = &find_general_op;
  const auto bytes = session::required(m, options);
  if (!bytes) return bytes.error();
  auto arena = file_bytes::allocate(*bytes);
  if (!arena) return arena.error();
  auto s = session::prepare(m, arena->bytes(), options);
  if (!s) return s.error();
  return run_once(*s, inputs);
}

}  // namespace dsmm::inline DSMM_ABI::tools
