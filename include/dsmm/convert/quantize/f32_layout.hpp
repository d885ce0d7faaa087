// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/split_channels.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// Nanoseconds that f32 costs more than integers: per multiply-add, and per value that is changed or turned from one
/// memory order to the other. Measured once on one core with AVX-512; only their proportions count.
struct f32_prices {
  static constexpr double dense = 0.013, depthwise = 0.028, other = 0.15;
  static constexpr double to_u8 = 0.85, to_planes = 0.55, to_f32 = 0.3;
};

/// Where a graph runs if some more ops than in its plan stay in f32: what the planner would make of it.
class f32_layout {
public:
  f32_layout(const lowered_graph& g, const quantize_plan& plan) : g_(g), plan_(plan) {}

  /// general  by op: stays in f32.
  void spread(std::span<const std::uint8_t> general) {
    const std::size_t n = g_.ops.size();
    in_f32_.assign(n, false);
    made_.assign(g_.values.size(), true);  // in f32; constants are not asked
    read_u8_.assign(g_.values.size(), false);
    read_f32_.assign(g_.values.size(), false);
    for (std::size_t i = 0; i < n; ++i) {
      const lowered_step& s = plan_.steps[i];
      const bool can_change = s.how == runs_as::layer || s.how == runs_as::layer_norm;
      const bool beside = !can_change && std::any_of(s.x.begin(), s.x.end(), [&](auto v) { return made_[v]; });
      in_f32_[i] = general[i] != 0 || s.how == runs_as::general || beside;
      for (const std::uint32_t v : g_.ops[i].outputs)
        if (v != no_value) made_[v] = in_f32_[i];
    }
    for (const lowered_port& p : g_.outputs) read_f32_[p.value] = true;
    for (std::size_t i = n; i-- > 0;) see_readers(i);
  }

  /// Whether op i reads u8 values, or writes nothing else.
  bool needs_grid(std::size_t i) const {
    const runs_as how = plan_.steps[i].how;
    return !in_f32_[i] && how != runs_as::view && how != runs_as::absorbed;
  }

  /// What that costs more than integers, in nanoseconds, but for what is in f32 anyway.
  double work() const {
    double sum = 0;
    for (std::size_t i = 0; i < g_.ops.size(); ++i) {
      const lowered_step& s = plan_.steps[i];
      if (!in_f32_[i] || s.how == runs_as::general || s.how == runs_as::view) continue;
      if (s.how != runs_as::layer) {
        sum += f32_prices::other * size(g_.ops[i].outputs[0]);
        continue;
      }
      const weight_layer& l = plan_.layers[s.layer];
      sum += multiply_adds(l) * (l.kind == op_kind::dwconv2d ? f32_prices::depthwise : f32_prices::dense);
    }
    for (std::uint32_t v = 0; v < made_.size(); ++v) sum += turned(v);
    return sum;
  }

private:
  double size(std::uint32_t v) const { return static_cast<double>(count_of(g_.values[v].dims)); }

  void see_readers(std::size_t i) {
    const lowered_step& s = plan_.steps[i];
    const std::vector<std::uint32_t>& made = g_.ops[i].outputs;
    const bool wanted = std::any_of(made.begin(), made.end(), [&](auto v) { return v != no_value && read_u8_[v]; });
    const bool stays = s.how == runs_as::layer || s.how == runs_as::view || s.how == runs_as::attention || wanted;
    if (!stays && s.how != runs_as::absorbed) {
      in_f32_[i] = true;
      for (const std::uint32_t v : made)
        if (v != no_value) made_[v] = true;
    }
    if (s.how == runs_as::view && !in_f32_[i]) {  // who reads the copy reads this
      if (read_u8_[made[0]]) read_u8_[s.x[0]] = true;
      return;
    }
    for (const std::uint32_t v : in_f32_[i] ? g_.ops[i].inputs : s.x)
      if (v != no_value) (in_f32_[i] ? read_f32_ : read_u8_)[v] = true;
  }

  double turned(std::uint32_t v) const {
    if (g_.values[v].is_constant) return 0;
    if (made_[v]) return read_u8_[v] ? f32_prices::to_u8 * size(v) : 0.0;
    if (!read_f32_[v]) return 0;
    return (f32_prices::to_planes + (read_u8_[v] ? f32_prices::to_f32 : 0.0)) * size(v);
  }

  const lowered_graph& g_;
  const quantize_plan& plan_;
  std::vector<bool> in_f32_;                     // by op
  std::vector<bool> made_, read_u8_, read_f32_;  // by value: made in f32; read as u8; read as f32
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
