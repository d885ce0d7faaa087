// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/calibrate.hpp"
#include "dsmm/convert/quantize/own_constant.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace quantize_impl {

/// Moves scale from the channels of an activation into the weights around it. All channels share one u8 grid, so quiet
/// ones are blurred by the step that loud ones need; a convolution can give each channel its own gain for free (its
/// weights have a scale per channel), and the layers behind take it back. The fp32 function stays what it was.
class equalizer {
public:
  /// reach  by layer: the largest magnitude of each output channel; empty for layers that cannot be equalized.
  equalizer(lowered_graph& g, const quantize_plan& plan, const std::vector<std::vector<float>>& reach, double strength)
      : g_(g), plan_(plan), reach_(reach), strength_(strength), readers_(readers_of(g)) {}

  /// Only convolutions read the value, directly or through pools, resizes and concats of channels.
  static bool can(const lowered_graph& g, const quantize_plan& plan, const lowered_op& op, std::uint32_t layer) {
    if (op.kind != op_kind::nd_conv || plan.layers[layer].clip_at > 0) return false;
    return absorbs(g, plan, readers_of(g), op.outputs[0]);
  }

  void run() {
    std::vector<float> loudest(plan_.grids.size(), 0.0f);
    const auto grid = [&](std::size_t i) { return plan_.grids[plan_.roots[plan_.layers[i].y]]; };
    for (std::size_t i = 0; i < reach_.size(); ++i)
      for (const float r : reach_[i]) loudest[grid(i)] = std::max(loudest[grid(i)], r);
    for (std::size_t k = 0; k < g_.ops.size(); ++k) {
      const lowered_step& s = plan_.steps[k];
      if (s.how != runs_as::layer || reach_[s.layer].empty() || loudest[grid(s.layer)] <= 0) continue;
      std::vector<float> gain;
      for (const float r : reach_[s.layer]) {
        const double ratio = std::clamp(static_cast<double>(loudest[grid(s.layer)] / std::max(r, 1e-20f)), 1.0, 64.0);
        gain.push_back(static_cast<float>(power(ratio)));
      }
      amplify(g_.ops[k], gain);
      absorb(g_.ops[k].outputs[0], gain, 0);
    }
  }

private:
  static std::vector<std::vector<std::size_t>> readers_of(const lowered_graph& g) {
    std::vector<std::vector<std::size_t>> readers(g.values.size());
    for (std::size_t k = 0; k < g.ops.size(); ++k)
      for (const std::uint32_t v : g.ops[k].inputs)
        if (v != no_value && (readers[v].empty() || readers[v].back() != k)) readers[v].push_back(k);
    return readers;
  }

  static bool absorbs(const lowered_graph& g, const quantize_plan& plan,
                      const std::vector<std::vector<std::size_t>>& readers, std::uint32_t v) {
    for (const lowered_port& p : g.outputs)
      if (p.value == v) return false;
    for (const std::size_t k : readers[v]) {
      const lowered_op& op = g.ops[k];
      const lowered_step& s = plan.steps[k];
      switch (s.how) {
        case runs_as::layer:
          if (op.kind != op_kind::nd_conv) return false;
          break;
        case runs_as::concat:
          if (s.attributes[0] != 2 || !absorbs(g, plan, readers, op.outputs[0])) return false;
          break;
        case runs_as::max_pool:
        case runs_as::avg_pool:
        case runs_as::resize:
          if (!absorbs(g, plan, readers, op.outputs[0])) return false;
          break;
        default: return false;
      }
    }
    return !readers[v].empty();
  }

  /// ratio^strength for strengths in quarters, by square roots: every machine rounds those alike.
  double power(double ratio) const {
    const double half = std::sqrt(ratio), quarter = std::sqrt(half);
    const auto quarters = static_cast<int>(std::clamp(4.0 * strength_, 0.0, 4.0));
    return quarters == 4 ? ratio : (quarters & 2 ? half : 1.0) * (quarters & 1 ? quarter : 1.0);
  }

  void amplify(lowered_op& op, const std::vector<float>& gain) {
    const std::span<float> w = own_constant(g_, op, 1);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] *= gain[i / (w.size() / gain.size())];
    if (op.inputs.size() < 3 || op.inputs[2] == no_value) return;
    const std::span<float> bias = own_constant(g_, op, 2);
    for (std::size_t o = 0; o < bias.size(); ++o) bias[o] *= gain[o];
  }

  /// Channels [first, first + gain.size()) of v are louder by `gain` now.
  void absorb(std::uint32_t v, const std::vector<float>& gain, std::size_t first) {
    for (const std::size_t k : readers_[v]) {
      lowered_op& op = g_.ops[k];
      if (plan_.steps[k].how == runs_as::concat) {
        std::size_t at = 0;
        for (const std::uint32_t part : op.inputs) {
          if (part == v) absorb(op.outputs[0], gain, at + first);
          at += static_cast<std::size_t>(g_.values[part].dims[1]);
        }
      } else if (plan_.steps[k].how != runs_as::layer) {
        absorb(op.outputs[0], gain, first);
      } else {
        const dim_list dims = g_.values[op.inputs[1]].dims;  // (O, I / groups, kernel...)
        const std::span<float> w = own_constant(g_, op, 1);
        const auto out = static_cast<std::size_t>(dims[0]), in = static_cast<std::size_t>(dims[1]);
        const std::size_t area = w.size() / (out * in), per_group = out / static_cast<std::size_t>(op.attributes[0]);
        for (std::size_t o = 0; o < out; ++o)
          for (std::size_t i = 0; i < in; ++i) {
            const std::size_t channel = o / per_group * in + i;
            if (channel < first || channel >= first + gain.size()) continue;
            for (std::size_t a = 0; a < area; ++a) w[(o * in + i) * area + a] /= gain[channel - first];
          }
      }
    }
  }

  lowered_graph& g_;
  const quantize_plan& plan_;
  const std::vector<std::vector<float>>& reach_;
  double strength_;
  std::vector<std::vector<std::size_t>> readers_;
};

}  // namespace quantize_impl

/// Evens out the channels of activations between convolutions, so that they fill their common u8 range. Gains are at
/// most 64; weights and fp32 results change by their own rounding. Powers of two would change no bit, but at
/// strength 0.5 stay 1 up to a ratio of 4: SqueezeNet at 8 bits kept 88.5 % of its first choices instead of 92.2 %.
///
/// strength  in quarters. 1: every channel reaches the loudest one's magnitude; 0.5: the square root of the way, which
///           leaves the weights behind it easier to round and values beyond the samples' some room; 0: nothing is done.
/// Errors: of the samples and of session.
inline result<void> equalize(lowered_graph& g, const quantize_plan& plan, const sample_set& samples, double strength,
                             const session_options& options, const progress_call& progress) {
  using namespace quantize_impl;
  std::vector<std::vector<float>> reach(plan.layers.size());
  std::vector<std::uint32_t> observed;
  for (std::size_t k = 0; k < g.ops.size(); ++k) {
    const lowered_step& s = plan.steps[k];
    const std::uint32_t y = s.how == runs_as::layer ? g.ops[k].outputs[0] : no_value;
    if (y == no_value || !equalizer::can(g, plan, g.ops[k], s.layer) || observed.size() >= 400) continue;
    observed.push_back(y);
    reach[s.layer].assign(plan.layers[s.layer].channels(), 0.0f);
  }
  auto run = sample_run::prepare(g, observed, false, options);
  if (!run) return run.error();
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (progress) progress("equalize", i, samples.count);
    if (auto ok = (*run)->run(samples, i); !ok) return ok;
    for (std::size_t l = 0; l < reach.size(); ++l) {
      if (reach[l].empty()) continue;
      const auto y = (*run)->observed(plan.layers[l].y);
      const std::size_t plane = y.size() / reach[l].size();
      for (std::size_t k = 0; k < y.size(); ++k) reach[l][k / plane] = std::max(reach[l][k / plane], std::abs(y[k]));
    }
  }
  if (progress) progress("equalize", samples.count, samples.count);
  equalizer(g, plan, reach, strength).run();
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::convert
