// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
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

/// The 256 results of an op of one value, or of one value and a constant scalar, from grid x to grid y. The f32 kernel
/// of the op computes them, so the table holds what the fp32 model would say. Errors: those of session.
inline result<u8_table_values> table_of(const lowered_graph& g, const lowered_op& op, std::uint32_t value,
                                        quantization x, quantization y, const session_options& options) {
  model_writer w;
  const std::int32_t dims[] = {256};
  const std::uint32_t in = w.plain(format::tensor_kind::input, "x", dtype::f32, dims);
  const std::uint32_t out = w.plain(format::tensor_kind::output, "y", dtype::f32, dims);
  w.program("main");
  std::vector<std::uint32_t> inputs;
  for (const std::uint32_t v : op.inputs) {
    const std::int32_t one[] = {1};
    inputs.push_back(v == value ? in : w.constant("", dtype::f32, one, g.values[v].bytes));
  }
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
  std::array<float, 256> real{};
  for (std::int32_t q = 0; q < 256; ++q)
    real[static_cast<std::size_t>(q)] = x.scale * static_cast<float>(q - x.zero_point);
  std::memcpy(s->plain(in).data(), real.data(), sizeof(real));
  s->run();
  std::memcpy(real.data(), s->plain(out).data(), sizeof(real));
  u8_table_values table(256);
  for (std::size_t q = 0; q < 256; ++q) {
    const double level = static_cast<double>(real[q]) / static_cast<double>(y.scale) + y.zero_point;
    const auto nearest = static_cast<std::int32_t>(std::clamp(std::nearbyint(level), 0.0, 255.0));
    table[q] = std::isnan(level) ? y.zero_point : nearest;
  }
  return table;
}

}  // namespace dsmm::inline DSMM_ABI::convert
