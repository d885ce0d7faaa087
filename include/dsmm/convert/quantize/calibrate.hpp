// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/progress.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/layer_targets.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/range.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// What the fp32 model computed on the calibration samples.
struct calibration {
  std::vector<range_observer> ranges;              ///< by value; filled for those that a grid must hold
  std::vector<layer_targets> targets;              ///< by layer; empty if not asked for
  std::vector<std::vector<float>> channel_tops;    ///< by layer: largest magnitude per channel; empty if not observed
  std::vector<std::vector<std::vector<float>>> outputs;  ///< by sample and output; f32 outputs only
};

namespace quantize_impl {

inline std::size_t positions_per_sample(std::size_t positions, const sample_set& samples) {
  return std::max<std::size_t>(8, positions / samples.count);
}

/// values  (channels, pixels)
inline void see_tops(std::span<const float> values, std::size_t channels, std::vector<float>& tops) {
  tops.resize(channels, 0.0f);
  const std::size_t plane = values.size() / channels;
  for (std::size_t k = 0; k < values.size(); ++k) tops[k / plane] = std::max(tops[k / plane], std::abs(values[k]));
}

}  // namespace quantize_impl

/// Runs the fp32 graph on every sample, in passes of at most 400 observed values, and keeps what ranges and rounding
/// need of it.
/// targets    keep what layers give, for rounding: `positions` output pixels per layer over all samples.
/// Errors: of the samples and of session; bad_value if an activation is infinite or NaN.
inline result<calibration> calibrate(const lowered_graph& g, const quantize_plan& plan, const sample_set& samples,
                                     bool targets, std::size_t positions, const session_options& options,
                                     const progress_call& progress) {
  using namespace quantize_impl;
  calibration c;
  c.ranges.resize(g.values.size());
  c.outputs.resize(samples.count);
  c.channel_tops.resize(plan.layers.size());
  std::vector<bool> wanted(g.values.size(), false), is_range(g.values.size(), false);
  for (std::uint32_t v = 0; v < g.values.size(); ++v)
    if (plan.as_u8[v]) wanted[plan.observed[v]] = is_range[plan.observed[v]] = true;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    if (!targets) break;
    wanted[plan.layers[i].x] = true;
    c.targets.emplace_back(1 + i);
  }
  std::vector<std::uint32_t> list;
  for (std::uint32_t v = 0; v < wanted.size(); ++v)
    if (wanted[v]) list.push_back(v);
  constexpr std::size_t per_pass = 400;  // of the 512 names that a model may give its tensors
  const std::size_t passes = std::max<std::size_t>(1, (list.size() + per_pass - 1) / per_pass);
  const std::size_t per_run = std::max<std::size_t>(256, 262'144 / samples.count);
  const std::size_t per_sample = positions_per_sample(positions, samples);
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const std::size_t first = pass * per_pass, last = std::min(list.size(), first + per_pass);
    auto run = sample_run::prepare(g, std::span(list).subspan(first, last - first), false, options);
    if (!run) return run.error();
    for (std::size_t i = 0; i < samples.count; ++i) {
      if (progress) progress("calibrate", pass * samples.count + i, passes * samples.count);
      if (auto ok = (*run)->run(samples, i); !ok) return ok.error();
      for (std::size_t k = first; k < last; ++k) {
        const std::uint32_t v = list[k];
        const auto values = (*run)->observed(v);
        if (is_range[v]) c.ranges[v].see(values, per_run);
        if (c.ranges[v].broken())
          return failure{errc::bad_value, "an activation is infinite or not a number on the calibration data"};
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
          if (targets && plan.layers[l].x == v) c.targets[l].see(plan.layers[l], values, per_sample, options.exec);
          if (plan.layers[l].y == v && plan.layers[l].kind != op_kind::linear)
            see_tops(values, plan.layers[l].channels(), c.channel_tops[l]);
        }
      }
      if (pass != 0) continue;
      for (const lowered_port& p : g.outputs) {
        const auto y = g.values[p.value].type == dtype::f32 ? (*run)->f32(p.name) : std::span<const float>{};
        c.outputs[i].emplace_back(y.begin(), y.end());
      }
    }
    if (progress) progress("calibrate", (pass + 1) * samples.count, passes * samples.count);
  }
  return c;
}

/// The finest step that the result of a layer may have: a step of its accumulator must be finer, with weights that use
/// at least 80 of their 127 steps.
inline float finest_step(const weight_layer& l, quantization x) {
  float top = 0;
  for (const float w : l.w) top = std::max(top, std::abs(w));
  return x.scale * top / 80.0f;
}

/// Widens grids that are finer than the layers before them can say.
inline void keep_expressible(const quantize_plan& plan, std::vector<quantization>& grids) {
  for (const weight_layer& l : plan.layers) {
    if (!plan.as_u8[l.y]) continue;
    quantization& y = grids[plan.grids[l.y]];
    y.scale = std::max(y.scale, finest_step(l, grids[plan.grids[plan.roots[l.x]]]));
  }
}

/// The u8 grid of every value that has one, by value. Values that share a grid are looked at together.
inline std::vector<quantization> choose_grids(const quantize_plan& plan, const calibration& c, range_method method,
                                              double percentile) {
  std::vector<std::vector<float>> together(plan.grids.size());
  for (std::uint32_t v = 0; v < plan.grids.size(); ++v)
    if (plan.as_u8[v]) {
      auto& to = together[plan.grids[v]];
      const std::vector<float>& kept = c.ranges[plan.observed[v]].kept();
      to.insert(to.end(), kept.begin(), kept.end());
    }
  std::vector<quantization> grids(plan.grids.size());
  for (std::uint32_t v = 0; v < together.size(); ++v)
    if (!together[v].empty()) grids[v] = choose_grid(together[v], method, percentile);
  keep_expressible(plan, grids);
  return grids;
}

}  // namespace dsmm::inline DSMM_ABI::convert
