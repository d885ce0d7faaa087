// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/agreement.hpp"
#include "dsmm/convert/quantize/calibrate.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/range.hpp"
#include "dsmm/convert/quantize/rounded_values.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Noise in the outputs that each grid alone is to blame for, by grid.
struct grid_noise {
  std::vector<double> chosen, whole;  ///< percent of the power of the outputs, mean over outputs; 0: no grid
};

namespace quantize_impl {

/// Runs the f32 graph with some values rounded and compares its outputs with what it computed before.
class noise_meter {
public:
  noise_meter(const lowered_graph& g, const sample_set& samples,
              const std::vector<std::vector<std::vector<float>>>& outputs, std::size_t count,
              const session_options& options)
      : g_(g), samples_(samples), outputs_(outputs), count_(std::min(count, samples.count)), options_(options) {}

  /// Noise in percent of the power of each output; outputs whose softmax inputs are known are left out.
  result<std::vector<double>> percent(std::span<const rounded_value> rounded) const {
    auto run = sample_run::prepare(with_rounded_values(g_, rounded), {}, false, options_);
    if (!run) return run.error();
    std::vector<output_agreement> rows = blank_agreement(g_);
    for (std::size_t i = 0; i < count_; ++i) {
      const std::size_t at = i * samples_.count / count_;
      if (auto ok = (*run)->run(samples_, at); !ok) return ok.error();
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const auto got = (*run)->f32(g_.outputs[k].name);
        if (got.size() == outputs_[at][k].size()) rows[k].see(outputs_[at][k], got);
      }
    }
    std::vector<double> out;
    for (const output_agreement& a : rows)
      if (counts(rows, a)) out.push_back(a.noise_percent());
    return out;
  }

  /// With these values on one grid.
  result<std::vector<double>> percent(std::span<const std::uint32_t> values, quantization grid) const {
    std::vector<rounded_value> rounded;
    for (const std::uint32_t v : values) rounded.push_back({v, grid});
    return percent(rounded);
  }

private:
  const lowered_graph& g_;
  const sample_set& samples_;
  const std::vector<std::vector<std::vector<float>>>& outputs_;
  std::size_t count_;
  const session_options& options_;
};

/// Values that are rounded onto a grid, by grid: what layers, sums, tables and the like compute, and what comes in as
/// f32. Pools, resizes and joins move levels that exist.
inline std::vector<std::vector<std::uint32_t>> rounding_places(const lowered_graph& g, const quantize_plan& plan) {
  std::vector<std::vector<std::uint32_t>> places(g.values.size());
  const auto add = [&](std::uint32_t v) {
    if (plan.as_u8[v] && plan.roots[v] == v) places[plan.grids[v]].push_back(v);
  };
  for (const lowered_port& p : g.inputs) add(p.value);
  for (std::size_t i = 0; i < g.ops.size(); ++i) {
    const runs_as how = plan.steps[i].how;
    if (how == runs_as::max_pool || how == runs_as::resize || how == runs_as::concat || how == runs_as::view)
      continue;
    for (const std::uint32_t v : g.ops[i].outputs)
      if (v != no_value) add(v);
  }
  return places;
}

}  // namespace quantize_impl

/// Chooses for each grid, alone, between what suits its values best and their whole range: what leaves less noise in
/// the outputs. Rounding errors of many values cancel in the sums behind them, errors of clipped ones add up: the error
/// of the values themselves is no guide.
///
/// grids  in: those of range_method::mse; out: the chosen ones.
/// whole  those of the whole ranges.
/// count  samples that each trial runs. Cost: two trials per grid.
/// Errors: of the samples and of session.
inline result<grid_noise> tune_grids(const lowered_graph& g, const quantize_plan& plan, const sample_set& samples,
                                     const calibration& seen, std::vector<quantization>& grids,
                                     std::span<const quantization> whole, std::size_t count,
                                     const session_options& options, const progress_call& progress) {
  using namespace quantize_impl;
  const noise_meter meter(g, samples, seen.outputs, count, options);
  const auto places = rounding_places(g, plan);
  grid_noise noise;
  noise.chosen.assign(grids.size(), 0.0);
  noise.whole.assign(grids.size(), 0.0);
  for (std::size_t at = 0; at < grids.size(); ++at) {
    if (progress) progress("ranges", at, grids.size());
    if (places[at].empty()) continue;
    std::vector<double> percent[2];
    double mean[2] = {};
    for (std::size_t trial = 0; trial < 2; ++trial) {
      auto seen_percent = meter.percent(places[at], trial == 0 ? grids[at] : whole[at]);
      if (!seen_percent) return seen_percent.error();
      percent[trial] = std::move(*seen_percent);
      for (const double p : percent[trial]) mean[trial] += p / static_cast<double>(percent[trial].size());
    }
    double relative = 0, outputs = 0;  // outputs count alike, however quiet they are
    for (std::size_t k = 0; k < percent[0].size(); ++k)
      if (percent[0][k] > 0) relative += percent[1][k] / percent[0][k], outputs += 1.0;
    const bool take_whole = relative < outputs;
    if (take_whole) grids[at] = whole[at];
    noise.chosen[at] = mean[take_whole ? 1 : 0];
    noise.whole[at] = mean[1];
  }
  if (progress) progress("ranges", grids.size(), grids.size());
  return noise;
}

/// Widens grids that disturb the outputs less than the average one, until they do as much, at most `most` times: values
/// beyond those of the calibration samples will come, and steps that nobody notices are the place for them.
///
/// noise  of tune_grids() for these grids. Grids of inputs and those in `fixed` stay as they are.
inline void add_headroom(const lowered_graph& g, const quantize_plan& plan, const grid_noise& noise, double most,
                         std::span<const std::uint32_t> fixed, std::vector<quantization>& grids) {
  std::vector<bool> stays(grids.size(), false);
  for (const std::uint32_t at : fixed) stays[at] = true;
  for (const lowered_port& p : g.inputs) stays[plan.grids[plan.roots[p.value]]] = true;
  double sum = 0, count = 0;
  for (const double n : noise.chosen)
    if (n > 0) sum += n, count += 1.0;
  for (std::size_t at = 0; at < grids.size(); ++at)
    if (!stays[at] && noise.chosen[at] > 0)
      grids[at].scale *= static_cast<float>(std::clamp(std::sqrt(sum / count / noise.chosen[at]), 1.0, most));
}

}  // namespace dsmm::inline DSMM_ABI::convert
