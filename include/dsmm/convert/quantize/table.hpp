// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/writer.hpp"

namespace dsmm::inline DSMM_ABI::convert {

using u8_table_values = std::vector<std::int32_t>;

/// What a value is for each of the 256 levels that it is a function of.
using real_row = std::array<float, 256>;

namespace table_impl {

inline real_row reals(quantization q) noexcept {
  real_row real{};
  for (std::int32_t i = 0; i < 256; ++i)
    real[static_cast<std::size_t>(i)] = q.scale * static_cast<float>(i - q.zero_point);
  return real;
}

inline u8_table_values levels(const real_row& real, quantization q) {
  u8_table_values table(256);
  for (std::size_t i = 0; i < 256; ++i) {
    const double level = static_cast<double>(real[i]) / static_cast<double>(q.scale) + q.zero_point;
    const auto nearest = static_cast<std::int32_t>(std::clamp(std::nearbyint(level), 0.0, 255.0));
    table[i] = std::isnan(level) ? q.zero_point : nearest;
  }
  return table;
}

/// The f32 kernel of the op says what it makes of rows; inputs without one are constant scalars. Errors: of session.
inline result<real_row> run(const lowered_graph& g, const lowered_op& op, const std::map<std::uint32_t, real_row>& rows,
                            const session_options& options) {
  model_writer w;
  const std::int32_t dims[] = {256}, one[] = {1};
  std::map<std::uint32_t, std::uint32_t> tensors;
  for (const std::uint32_t v : op.inputs)
    if (rows.count(v) != 0 && tensors.count(v) == 0)
      tensors[v] = w.plain(format::tensor_kind::input, std::to_string(v), dtype::f32, dims);
  const std::uint32_t out = w.plain(format::tensor_kind::output, "y", dtype::f32, dims);
  w.program("main");
  std::vector<std::uint32_t> inputs;
  for (const std::uint32_t v : op.inputs)
    inputs.push_back(rows.count(v) != 0 ? tensors[v] : w.constant("", dtype::f32, one, g.values[v].bytes));
  w.op(op.kind, op.name, inputs, std::span(&out, 1), op.attributes);
  const auto file = w.finish();
  if (!file) return file.error();
  const auto m = model::open(file->bytes());
  if (!m) return m.error();
  const auto bytes = session::required(*m, options);
  if (!bytes) return bytes.error();
  auto arena = file_bytes::allocate(*bytes);
  if (!arena) return arena.error();
  auto s = session::prepare(*m, arena->bytes(), options);
  if (!s) return s.error();
  for (const auto& [v, tensor] : tensors) std::memcpy(s->plain(tensor).data(), rows.at(v).data(), sizeof(real_row));
  s->run();
  real_row real{};
  std::memcpy(real.data(), s->plain(out).data(), sizeof(real));
  return real;
}

}  // namespace table_impl

/// The 256 results of ops that make a function of one value, from grid x to grid y. The f32 kernels of the ops compute
/// them, so the table holds what the fp32 model would say. Errors: those of session.
/// chain    indices of ops, in order; each reads `value`, results of those before it, and constant scalars.
/// grid_of  the grid to which a value in between is rounded, if it has one.
template <class Grid>
result<u8_table_values> table_of(const lowered_graph& g, std::span<const std::size_t> chain, std::uint32_t value,
                                 quantization x, quantization y, Grid&& grid_of, const session_options& options) {
  std::map<std::uint32_t, real_row> rows{{value, table_impl::reals(x)}};
  for (const std::size_t i : chain) {
    auto real = table_impl::run(g, g.ops[i], rows, options);
    if (!real) return real.error();
    const std::uint32_t out = g.ops[i].outputs[0];
    if (i == chain.back()) return table_impl::levels(*real, y);
    if (const std::optional<quantization> q = grid_of(out)) {
      const u8_table_values level = table_impl::levels(*real, *q);
      const real_row of_level = table_impl::reals(*q);
      for (std::size_t k = 0; k < 256; ++k) (*real)[k] = of_level[static_cast<std::size_t>(level[k])];
    }
    rows[out] = *real;
  }
  return failure{errc::bad_value, "a table of no operators"};
}

/// The same of one op.
inline result<u8_table_values> table_of(const lowered_graph& g, std::size_t op, std::uint32_t value, quantization x,
                                        quantization y, const session_options& options) {
  return table_of(
      g, std::span(&op, 1), value, x, y, [](std::uint32_t) { return std::optional<quantization>(); }, options);
}

}  // namespace dsmm::inline DSMM_ABI::convert
