// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/quant.hpp"

namespace dsmm::inline DSMM_ABI::convert {

struct rounded_value {
  std::uint32_t value = no_value;
  quantization grid{};
};

/// The f32 graph as if the values lay on u8 grids: each goes through nd_quantize and nd_dequantize before anything
/// reads it. Shows what a grid costs the outputs without an integer model.
inline lowered_graph with_rounded_values(const lowered_graph& from, std::span<const rounded_value> list) {
  lowered_graph g = from;
  g.ops.clear();
  std::map<std::uint32_t, std::uint32_t> stand_in;
  std::map<std::uint32_t, quantization> grid_of_value;
  for (const rounded_value& r : list) grid_of_value.emplace(r.value, r.grid);
  const auto insert = [&](std::uint32_t v) {
    const auto q = grid_of_value.find(v);
    if (q == grid_of_value.end()) return;
    const dim_list dims = g.values[v].dims;
    const auto zero_point = static_cast<std::uint8_t>(q->second.zero_point);
    const std::uint32_t scale = add_constant(g, dtype::f32, {}, std::as_bytes(std::span(&q->second.scale, 1)));
    const std::uint32_t zero = add_constant(g, dtype::u8, {}, std::as_bytes(std::span(&zero_point, 1)));
    g.values.push_back({dtype::u8, dims});
    const auto level = static_cast<std::uint32_t>(g.values.size() - 1);
    g.values.push_back({dtype::f32, dims});
    const auto real = static_cast<std::uint32_t>(g.values.size() - 1);
    g.ops.push_back({op_kind::nd_quantize, "round", {v, scale, zero}, {level}, {0, 0, 1}});
    g.ops.push_back({op_kind::nd_dequantize, "round", {level, scale, zero}, {real}, {0, 0}});
    stand_in.emplace(v, real);
  };
  const auto follow = [&](std::uint32_t& v) {
    if (const auto s = stand_in.find(v); s != stand_in.end()) v = s->second;
  };
  for (const lowered_port& p : g.inputs) insert(p.value);
  for (lowered_op op : from.ops) {
    for (std::uint32_t& v : op.inputs) follow(v);
    const std::vector<std::uint32_t> made = op.outputs;
    g.ops.push_back(std::move(op));
    for (const std::uint32_t v : made)
      if (v != no_value) insert(v);
  }
  for (lowered_port& p : g.outputs) follow(p.value);
  return g;
}

}  // namespace dsmm::inline DSMM_ABI::convert
