// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/calibrate.hpp"
#include "dsmm/convert/quantize/equalize.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/tune_grids.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A grid whose loud channels are cut into slices: y = min(y, T) + clamp(y - T, 0, T) + ..., each slice a channel of
/// its own. All have the fine step T / 255; the layers behind add them up again, with the same weights for each.
struct grid_split {
  std::uint32_t grid = no_value;
  float slice = 0;                                ///< T
  std::vector<std::vector<std::int32_t>> parts;   ///< by layer that computes values of the grid: slices per channel
  std::vector<std::uint32_t> layers;              ///< their indices in the plan
};

namespace quantize_impl {

/// Multiply-adds of a layer per output channel and input channel.
inline double area(const weight_layer& l) {
  return static_cast<double>(l.kernel_h) * l.kernel_w * l.to.shape.h * l.to.shape.w;
}
inline double multiply_adds(const weight_layer& l) {
  return area(l) * static_cast<double>(l.channels()) * (static_cast<double>(l.from.shape.c) / l.groups);
}

/// Chooses what to slice within a budget of multiply-adds: again and again the grid that gains most per addition.
class split_search {
public:
  split_search(const lowered_graph& g, const quantize_plan& plan, const calibration& seen,
               std::span<const quantization> grids, const grid_noise& noise)
      : g_(g), plan_(plan), seen_(seen), grids_(grids), noise_(noise) {}

  std::vector<grid_split> run(double budget) {
    collect();
    double total = 0, left = 0;
    for (const weight_layer& l : plan_.layers) left += multiply_adds(l);
    left *= budget;
    for (const double n : noise_.chosen) total += n;
    std::map<std::uint32_t, std::int32_t> slices;
    for (;;) {
      double best = 0, price = 0;
      std::uint32_t chosen = no_value;
      std::int32_t count = 1;
      for (const auto& [grid, layers] : layers_) {
        const auto now = slices.find(grid);
        const std::int32_t k = now == slices.end() ? 1 : now->second;
        if (k >= 8) continue;
        const std::int32_t next = k == 1 ? 2 : k + 2;
        const float slice = top_[grid] / static_cast<float>(next);
        if (slice / 255.0f < finest_[grid]) continue;
        const double now_noise = k == 1 ? noise_.chosen[grid] : noise_.whole[grid] / (k * k);
        const double gain = now_noise - noise_.whole[grid] / (next * next);
        const double more = added(split(grid, next)) - (k == 1 ? 0.0 : added(split(grid, k)));
        if (gain < 0.01 * total || more > left || gain <= best * std::max(more, 1.0)) continue;
        best = gain / std::max(more, 1.0);
        chosen = grid, count = next, price = more;
      }
      if (chosen == no_value) break;
      slices[chosen] = count;
      left -= price;
    }
    std::vector<grid_split> out;
    for (const auto& [grid, count] : slices) out.push_back(split(grid, count));
    return out;
  }

private:
  /// Grids of which every rounded value is the ReLU of a convolution that only convolutions read.
  void collect() {
    const auto places = rounding_places(g_, plan_);
    std::map<std::uint32_t, std::uint32_t> layer_of;  // by result, those that can be sliced
    for (std::size_t k = 0; k < g_.ops.size(); ++k) {
      const lowered_step& s = plan_.steps[k];
      if (s.how != runs_as::layer || !equalizer::can(g_, plan_, g_.ops[k], s.layer)) continue;
      const weight_layer& l = plan_.layers[s.layer];
      if (l.relu && l.groups == 1 && read_by_dense(l.y)) layer_of.emplace(l.y, s.layer);
    }
    for (std::uint32_t grid = 0; grid < places.size(); ++grid) {
      if (places[grid].empty() || noise_.chosen[grid] <= 0 || grids_[grid].zero_point != 0) continue;
      std::vector<std::uint32_t> layers;
      for (const std::uint32_t v : places[grid])
        if (const auto l = layer_of.find(v); l != layer_of.end()) layers.push_back(l->second);
      if (layers.size() != places[grid].size()) continue;
      for (const std::uint32_t l : layers) {
        const weight_layer& layer = plan_.layers[l];
        for (const float m : seen_.channel_tops[l]) top_[grid] = std::max(top_[grid], m);
        finest_[grid] = std::max(finest_[grid], finest_step(layer, grids_[plan_.grids[plan_.roots[layer.x]]]));
      }
      layers_.emplace(grid, std::move(layers));
    }
  }

  /// No grouped convolution reads the value, wherever joins and pools carry it.
  bool read_by_dense(std::uint32_t v) const {
    for (std::size_t k = 0; k < g_.ops.size(); ++k) {
      if (std::find(g_.ops[k].inputs.begin(), g_.ops[k].inputs.end(), v) == g_.ops[k].inputs.end()) continue;
      const bool layer = plan_.steps[k].how == runs_as::layer;
      if (layer ? g_.ops[k].attributes[0] != 1 : !read_by_dense(g_.ops[k].outputs[0])) return false;
    }
    return true;
  }

  /// A tenth more than was seen is covered.
  grid_split split(std::uint32_t grid, std::int32_t count) const {
    grid_split s;
    s.grid = grid;
    s.slice = top_.at(grid) / static_cast<float>(count);
    s.layers = layers_.at(grid);
    for (const std::uint32_t l : s.layers) {
      auto& parts = s.parts.emplace_back();
      for (const float m : seen_.channel_tops[l])
        parts.push_back(std::max(1, static_cast<std::int32_t>(std::ceil(1.1f * m / s.slice))));
    }
    return s;
  }

  double added(const grid_split& s) const {
    double sum = 0;
    for (std::size_t i = 0; i < s.layers.size(); ++i) {
      const weight_layer& l = plan_.layers[s.layers[i]];
      const double more = std::accumulate(s.parts[i].begin(), s.parts[i].end(), -static_cast<double>(l.channels()));
      sum += more * area(l) * l.from.shape.c + more * behind(l.y);
    }
    return sum;
  }
  /// Multiply-adds that one more channel of v costs the layers that read it.
  double behind(std::uint32_t v) const {
    double sum = 0;
    for (std::size_t k = 0; k < g_.ops.size(); ++k) {
      if (std::find(g_.ops[k].inputs.begin(), g_.ops[k].inputs.end(), v) == g_.ops[k].inputs.end()) continue;
      const lowered_step& s = plan_.steps[k];
      if (s.how != runs_as::layer) sum += behind(g_.ops[k].outputs[0]);
      else sum += area(plan_.layers[s.layer]) * static_cast<double>(plan_.layers[s.layer].channels());
    }
    return sum;
  }

  const lowered_graph& g_;
  const quantize_plan& plan_;
  const calibration& seen_;
  std::span<const quantization> grids_;
  const grid_noise& noise_;
  std::map<std::uint32_t, std::vector<std::uint32_t>> layers_;  // by grid
  std::map<std::uint32_t, float> top_, finest_;
};

/// Rewrites the graph: more channels where values are sliced, more columns where they are read.
class channel_splitter {
public:
  channel_splitter(lowered_graph& g, const quantize_plan& plan) : g_(g), plan_(plan), source_(g.values.size()) {}

  void run(std::span<const grid_split> splits) {
    for (std::size_t k = 0; k < g_.ops.size(); ++k) {
      lowered_op& op = g_.ops[k];
      const lowered_step& s = plan_.steps[k];
      if (op.outputs.empty()) continue;
      const std::uint32_t y = op.outputs[0];
      if (s.how == runs_as::layer) {
        if (!source_[op.inputs[0]].empty()) widen_columns(op);
        for (const grid_split& split : splits)
          for (std::size_t i = 0; i < split.layers.size(); ++i)
            if (split.layers[i] == s.layer) slice(op, split.parts[i], split.slice);
      } else if (s.how == runs_as::concat) {
        join(op);
      } else if (s.how == runs_as::max_pool || s.how == runs_as::avg_pool || s.how == runs_as::resize) {
        source_[y] = source_[op.inputs[0]];
      }
      if (!source_[y].empty()) g_.values[y].dims[1] = static_cast<std::int64_t>(source_[y].size());
    }
  }

private:
  std::span<const float> floats(std::uint32_t v) const { return floats_of(g_.values[v]); }

  void slice(lowered_op& op, const std::vector<std::int32_t>& parts, float t) {
    std::vector<std::uint32_t>& source = source_[op.outputs[0]];
    const std::span<const float> w = floats(op.inputs[1]);
    const std::size_t row = w.size() / parts.size();
    const bool has_bias = op.inputs.size() > 2 && op.inputs[2] != no_value;
    std::vector<float> weights, bias;
    const auto most = *std::max_element(parts.begin(), parts.end());
    for (std::int32_t part = 0; part < most; ++part)  // first slices first: channels keep their places
      for (std::size_t o = 0; o < parts.size(); ++o) {
        if (part >= parts[o]) continue;
        source.push_back(static_cast<std::uint32_t>(o));
        weights.insert(weights.end(), w.begin() + static_cast<std::ptrdiff_t>(o * row),
                       w.begin() + static_cast<std::ptrdiff_t>((o + 1) * row));
        bias.push_back((has_bias ? floats(op.inputs[2])[o] : 0.0f) - static_cast<float>(part) * t);
      }
    dim_list dims = g_.values[op.inputs[1]].dims;
    dims[0] = static_cast<std::int64_t>(source.size());
    op.inputs[1] = add_constant(g_, dtype::f32, dims, std::as_bytes(std::span(weights)));
    op.inputs.resize(std::max<std::size_t>(op.inputs.size(), 3), no_value);
    op.inputs[2] = add_constant(g_, dtype::f32, {dims[0]}, std::as_bytes(std::span(bias)));
    op.attributes[2] = static_cast<std::int32_t>(unary_fn::clip);
    op.attributes[3] = 0;
    op.attributes[4] = std::bit_cast<std::int32_t>(t);
  }

  void widen_columns(lowered_op& op) {
    const std::vector<std::uint32_t>& source = source_[op.inputs[0]];
    const std::span<const float> w = floats(op.inputs[1]);
    dim_list dims = g_.values[op.inputs[1]].dims;  // (O, I, kernel...)
    const auto out = static_cast<std::size_t>(dims[0]), in = static_cast<std::size_t>(dims[1]);
    const std::size_t area = w.size() / (out * in);
    std::vector<float> wide;
    for (std::size_t o = 0; o < out; ++o)
      for (const std::uint32_t c : source) {
        const auto from = w.begin() + static_cast<std::ptrdiff_t>((o * in + c) * area);
        wide.insert(wide.end(), from, from + static_cast<std::ptrdiff_t>(area));
      }
    dims[1] = static_cast<std::int64_t>(source.size());
    op.inputs[1] = add_constant(g_, dtype::f32, dims, std::as_bytes(std::span(wide)));
  }

  void join(const lowered_op& op) {
    std::vector<std::uint32_t> joined;
    bool any = false;
    std::uint32_t first = 0;
    for (const std::uint32_t v : op.inputs) {
      std::vector<std::uint32_t> part = source_[v];
      any = any || !part.empty();
      std::uint32_t before = 0;  // channels that the part had
      if (part.empty()) {
        part.resize(static_cast<std::size_t>(g_.values[v].dims[1]));
        std::iota(part.begin(), part.end(), 0u);
      }
      for (const std::uint32_t c : part) before = std::max(before, c + 1);
      for (const std::uint32_t c : part) joined.push_back(first + c);
      first += before;
    }
    if (any) source_[op.outputs[0]] = std::move(joined);
  }

  lowered_graph& g_;
  const quantize_plan& plan_;
  std::vector<std::vector<std::uint32_t>> source_;  // by value: whose slice each channel is; empty: its own
};

}  // namespace quantize_impl

/// Slices for the grids that disturb the outputs most, for at most `budget` times the model's multiply-adds more.
inline std::vector<grid_split> choose_splits(const lowered_graph& g, const quantize_plan& plan, const calibration& seen,
                                             std::span<const quantization> grids, const grid_noise& noise,
                                             double budget) {
  return quantize_impl::split_search(g, plan, seen, grids, noise).run(budget);
}

/// Makes the slices channels of the graph, which computes what it did, up to values beyond the last slice.
inline void split_channels(lowered_graph& g, const quantize_plan& plan, std::span<const grid_split> splits) {
  quantize_impl::channel_splitter(g, plan).run(splits);
}

}  // namespace dsmm::inline DSMM_ABI::convert
