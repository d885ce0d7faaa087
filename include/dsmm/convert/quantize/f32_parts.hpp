// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/progress.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/f32_layout.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/tune_grids.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// What each grid of a plan alone does to the outputs. Plans that leave more in f32 keep the numbers of these grids.
struct grid_blame {
  std::vector<std::uint32_t> grid;         ///< by value; no_value: it had none
  std::vector<std::vector<double>> noise;  ///< by grid and output that counts, percent of its power; empty: not a grid
};

/// grids  of the plan. count  samples that each trial runs; one trial per grid. Errors: of the samples and of session.
inline result<grid_blame> blame_grids(const lowered_graph& g, const quantize_plan& plan, const sample_set& samples,
                                      const std::vector<std::vector<std::vector<float>>>& outputs,
                                      std::span<const quantization> grids, std::size_t count,
                                      const session_options& options, const progress_call& progress) {
  const quantize_impl::noise_meter meter(g, samples, outputs, count, options);
  const auto places = quantize_impl::rounding_places(g, plan);
  grid_blame blame{std::vector<std::uint32_t>(g.values.size(), no_value), {}};
  for (std::uint32_t v = 0; v < g.values.size(); ++v)
    if (plan.as_u8[plan.roots[v]]) blame.grid[v] = plan.grids[plan.roots[v]];
  blame.noise.resize(grids.size());
  for (std::size_t at = 0; at < grids.size(); ++at) {
    if (progress) progress("noise", at, grids.size());
    if (places[at].empty()) continue;
    auto percent = meter.percent(places[at], grids[at]);
    if (!percent) return percent.error();
    blame.noise[at] = std::move(*percent);
  }
  if (progress) progress("noise", grids.size(), grids.size());
  return blame;
}

namespace quantize_impl {

/// Chooses what leaves the integers: again and again the grids whose noise is largest for the time that f32 costs, as
/// far as it is too much in an output. A grid goes alone, or with all behind it, or with all before it: few borders.
class f32_search {
public:
  f32_search(const lowered_graph& g, const quantize_plan& plan, const grid_blame& blame)
      : g_(g), blame_(blame), layout_(g, plan), readers_(blame.noise.size()) {
    for (std::size_t i = 0; i < g.ops.size(); ++i) {
      const lowered_step& s = plan.steps[i];
      if (s.how == runs_as::general || s.how == runs_as::view || s.how == runs_as::absorbed) continue;
      for (const std::uint32_t v : s.x) add(v, i);
      const bool only_u8 = s.how == runs_as::attention || (s.how == runs_as::layer && plan.layers[s.layer].clip_at > 0);
      if (only_u8) add(g.ops[i].outputs[0], i);
    }
    for (std::uint32_t at = 0; at < readers_.size(); ++at)
      if (!readers_[at].empty()) candidates_.push_back({at});
    find_cones();
  }

  /// Marks ops until each output should have at most `bound` of the noise that it has now, `losses`, if that is what
  /// the grids in use add up to. Returns whether any was marked.
  bool run(std::span<const double> losses, double bound, std::vector<std::uint8_t>& general) {
    general.resize(g_.ops.size(), 0);
    const state now = look(general);
    for (std::size_t k = 0; k < losses.size(); ++k)
      per_noise_.push_back(now.noise[k] > 0 ? losses[k] / now.noise[k] : 0.0);
    bound_ = bound;
    std::vector<std::size_t> chosen;
    while (const auto next = best(with(general, chosen))) chosen.push_back(*next);
    for (std::size_t i = 0; i + 1 < chosen.size();) {  // what later choices have made needless
      std::vector<std::size_t> fewer = chosen;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      const state all = look(with(general, chosen)), less = look(with(general, fewer));
      if (excess(less) <= excess(all) && less.work <= all.work) chosen = std::move(fewer);
      else ++i;
    }
    general = with(general, chosen);
    return !chosen.empty();
  }

private:
  struct state {
    double work = 0;
    std::vector<double> noise;  ///< by output
  };

  void add(std::uint32_t v, std::size_t op) {
    const std::uint32_t at = blame_.grid[v];
    if (at != no_value && !blame_.noise[at].empty()) readers_[at].push_back(op);
  }

  /// For each grid, those that its values reach, and those that reach them.
  void find_cones() {
    const std::size_t single = candidates_.size();
    for (std::size_t c = 0; c < single; ++c) {
      const std::uint32_t at = candidates_[c][0];
      std::vector<bool> behind(g_.values.size(), false), before(g_.values.size(), false);
      for (std::uint32_t v = 0; v < g_.values.size(); ++v) behind[v] = before[v] = blame_.grid[v] == at;
      const auto any = [](const std::vector<std::uint32_t>& list, const std::vector<bool>& of) {
        return std::any_of(list.begin(), list.end(), [&](auto v) { return v != no_value && of[v]; });
      };
      const auto mark = [](const std::vector<std::uint32_t>& list, std::vector<bool>& of) {
        for (const std::uint32_t v : list)
          if (v != no_value) of[v] = true;
      };
      for (const lowered_op& op : g_.ops)
        if (any(op.inputs, behind)) mark(op.outputs, behind);
      for (std::size_t i = g_.ops.size(); i-- > 0;)
        if (any(g_.ops[i].outputs, before)) mark(g_.ops[i].inputs, before);
      for (const auto* cone : {&behind, &before}) candidates_.push_back(grids_in(*cone));
    }
  }

  std::vector<std::uint32_t> grids_in(const std::vector<bool>& values) const {
    std::vector<std::uint32_t> list;
    for (std::uint32_t v = 0; v < values.size(); ++v)
      if (values[v] && blame_.grid[v] != no_value && !readers_[blame_.grid[v]].empty()) list.push_back(blame_.grid[v]);
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
  }

  std::vector<std::uint8_t> with(std::vector<std::uint8_t> general, std::span<const std::size_t> chosen) const {
    for (const std::size_t c : chosen)
      for (const std::uint32_t at : candidates_[c])
        for (const std::size_t i : readers_[at]) general[i] = 1;
    return general;
  }

  state look(const std::vector<std::uint8_t>& general) {
    layout_.spread(general);
    state s{layout_.work(), {}};
    for (std::size_t at = 0; at < readers_.size(); ++at) {
      s.noise.resize(std::max(s.noise.size(), blame_.noise[at].size()), 0.0);
      const auto in_use = [&](std::size_t i) { return layout_.needs_grid(i); };
      if (std::none_of(readers_[at].begin(), readers_[at].end(), in_use)) continue;
      for (std::size_t k = 0; k < blame_.noise[at].size(); ++k) s.noise[k] += blame_.noise[at][k];
    }
    return s;
  }

  double left(const state& s, std::size_t k) const { return std::max(0.0, s.noise[k] * per_noise_[k] - bound_); }
  double excess(const state& s) const {
    double sum = 0;
    for (std::size_t k = 0; k < per_noise_.size(); ++k) sum += left(s, k);
    return sum;
  }

  /// The candidate that gains most for its time; none if no output has too much noise that one would take away.
  std::optional<std::size_t> best(const std::vector<std::uint8_t>& general) {
    const state now = look(general);
    std::optional<std::size_t> chosen;
    double most = 0;
    for (std::size_t c = 0; c < candidates_.size(); ++c) {
      const state then = look(with(general, std::span(&c, 1)));
      double gain = 0;
      for (std::size_t k = 0; k < per_noise_.size(); ++k)
        if (left(now, k) > 0) gain += 1.0 - left(then, k) / left(now, k);
      gain /= std::max(then.work - now.work, 1.0);
      if (gain > most) most = gain, chosen = c;
    }
    return chosen;
  }

  const lowered_graph& g_;
  const grid_blame& blame_;
  f32_layout layout_;
  std::vector<std::vector<std::size_t>> readers_;       // by grid: what must leave so that it is not needed
  std::vector<std::vector<std::uint32_t>> candidates_;  // grids that leave together
  std::vector<double> per_noise_;                       // by output: real percent per percent of blame
  double bound_ = 0;
};

}  // namespace quantize_impl

/// Marks ops of the graph that are to run in f32, see f32_search::run.
/// plan    the one in use; blame may come from an earlier one that had less in f32.
/// losses  by output that counts, percent.
inline bool choose_f32(const lowered_graph& g, const quantize_plan& plan, const grid_blame& blame,
                       std::span<const double> losses, double bound, std::vector<std::uint8_t>& general) {
  return quantize_impl::f32_search(g, plan, blame).run(losses, bound, general);
}

}  // namespace dsmm::inline DSMM_ABI::convert
