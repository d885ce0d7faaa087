// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/cholesky.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/mixing_layer.hpp"
#include "dsmm/convert/prune/moments.hpp"
#include "dsmm/convert/prune/observed_network.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// By layer: which of the original channels it still writes, ascending.
using kept_rows = std::vector<std::vector<std::size_t>>;

/// By layer: (panels of block_outputs channels, columns), 0 where all weights of a panel are zero and stay so. Empty:
/// none are.
using weight_masks = std::vector<std::vector<std::uint8_t>>;
inline constexpr std::size_t block_outputs = 32, block_inputs = 4;

namespace refit_impl {

/// Values that differ from those of the original network: what a changed layer writes, and all behind it.
inline void spread(const lowered_graph& g, std::vector<bool>& changed) {
  for (const lowered_op& op : g.ops) {
    bool any = false;
    for (const std::uint32_t v : op.inputs) any = any || (v != no_value && changed[v]);
    for (const std::uint32_t v : op.outputs) changed[v] = changed[v] || any;
  }
}

/// What the weights of rows [first, first + bias.size()) of a group must become: w + delta, where delta (H + damping)
/// is the correlation with what is missing. Columns for which `free` is 0 stay as they are; empty: all are free.
inline void solve_rows(const moments& m, double damping, std::size_t first, std::span<float> w, std::span<float> bias,
                       std::span<const std::uint8_t> free = {}) {
  const std::size_t n = m.columns();
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < n; ++i)
    if (free.empty() || free[i] != 0) at.push_back(i);
  std::vector<double> h(m.full() ? at.size() * at.size() : 0), delta(at.size());
  const double more = damping * m.mean_variance() + 1e-12;
  for (std::size_t i = 0; m.full() && i < at.size(); ++i)
    for (std::size_t j = 0; j <= i; ++j) h[i * at.size() + j] = m.covariance(at[i], at[j]) + (i == j ? more : 0.0);
  const bool solvable = m.full() && cholesky(h, at.size());
  if (solvable) mirror(h, at.size());
  for (std::size_t o = 0; o < bias.size(); ++o) {
    double shift = m.cross_mean(first + o);
    for (std::size_t i = 0; solvable && i < at.size(); ++i) delta[i] = m.cross_covariance(first + o, at[i]);
    if (solvable) cholesky_solve(h, at.size(), delta);
    for (std::size_t i = 0; solvable && i < at.size(); ++i) {
      w[o * n + at[i]] += static_cast<float>(delta[i]);
      shift -= delta[i] * m.mean(at[i]);
    }
    bias[o] += static_cast<float>(shift);
  }
}

}  // namespace refit_impl

/// Fits the weights and biases of every layer whose input has changed to what the original network computed there, in
/// the order in which they run: each layer makes up for what those before it could not.
///
/// g        the cut network; values and ops numbered as in the original one.
/// changed  by value: known to differ from the original, e.g. because channels are missing.
/// masks    by layer; empty: no weights are held at zero.
/// Errors: those of the samples and of session. Cost: one run of a part of the network per layer and sample; per layer
/// positions * columns * (columns / 2 + 2 channels) + columns^3 / 6.
inline result<void> refit(lowered_graph& g, const observed_network& original, const kept_rows& rows,
                          std::vector<bool> changed, const weight_masks& masks, const sample_set& samples,
                          const observe_options& options) {
  using namespace refit_impl;
  const std::vector<mixing_layer> layers = mixing_layers(g);
  changed.resize(g.values.size() + 3 * layers.size(), false);  // constants that are added on the way
  spread(g, changed);
  for (std::size_t first = 0, last = 0; first < layers.size(); first = last) {
    // Layers that read the same value are looked at together.
    for (last = first + 1; last < layers.size() && layers[last].x == layers[first].x &&
                           layers[first].residual == no_value && layers[last].residual == no_value;)
      ++last;
    if (options.progress) options.progress("refit", first, layers.size());
    const std::uint32_t x_value = layers[first].x, r_value = layers[first].residual;
    const auto masked = [&](std::size_t i) { return !masks.empty() && !masks[i].empty(); };
    bool any = changed[x_value] || (r_value != no_value && changed[r_value]);
    for (std::size_t i = first; i < last; ++i) any = any || masked(i);
    if (!any) continue;
    std::vector<std::uint32_t> wanted = {x_value};
    if (r_value != no_value && r_value != x_value) wanted.push_back(r_value);
    auto run = sample_run::prepare(g, wanted, true, options.session);
    if (!run) return run.error();
    std::vector<observe_impl::layer_probe> probes;
    std::vector<std::vector<moments>> found;
    for (std::size_t i = first; i < last; ++i) {
      const mixing_layer& l = layers[i];
      probes.emplace_back(g, l);
      const auto depth = static_cast<std::size_t>(l.depth());
      found.emplace_back(static_cast<std::size_t>(l.groups),
                         moments(depth, depth <= options.full_columns, static_cast<std::size_t>(l.out_per_group())));
    }
    for (std::size_t s = 0; s < samples.count; ++s) {
      if (auto ok = (*run)->run(samples, s); !ok) return ok.error();
      const auto x = (*run)->observed(x_value), r = (*run)->observed(r_value);
      options.session.exec.each(static_cast<std::uint32_t>(last - first), [&](std::uint32_t at) {
        const std::size_t i = first + at;
        observe_impl::layer_probe& probe = probes[at];
        const mixing_layer& l = layers[i];
        const auto all = static_cast<std::size_t>(original.layers[i].out),
                   per_group = static_cast<std::size_t>(l.out_per_group());
        std::vector<float> missing(per_group);
        for (std::int64_t p = 0; p < original.positions[i].count(); ++p) {
          const std::int64_t position = original.positions[i].at(s, p);
          const float* const target =
              original.targets[i].data() +
              (s * static_cast<std::size_t>(original.positions[i].count()) + static_cast<std::size_t>(p)) * all;
          probe.look(x, position, [&](std::size_t group, auto columns) {
            for (std::size_t o = 0; o < per_group; ++o) {
              const std::size_t row = group * per_group + o;
              missing[o] = target[rows[i][row]] - probe.sums[row];
              if (l.residual != no_value)
                missing[o] -= r[probe.reader.output_index(position, static_cast<std::int64_t>(row))];
            }
            found[at][group].add(columns, missing);
          });
        }
      });
    }
    for (std::size_t i = first; i < last; ++i) {
      observe_impl::layer_probe& probe = probes[i - first];
      const auto depth = static_cast<std::size_t>(layers[i].depth()),
                 per_group = static_cast<std::size_t>(layers[i].out_per_group());
      const std::size_t panel = masked(i) ? block_outputs : per_group;
      for (std::size_t row = 0; row < static_cast<std::size_t>(layers[i].out); row += panel) {
        const std::size_t rows_here = std::min(panel, static_cast<std::size_t>(layers[i].out) - row);
        std::span<const std::uint8_t> free;
        if (masked(i)) free = std::span(masks[i]).subspan(row / panel * depth, depth);
        solve_rows(found[i - first][row / per_group], options.damping, row % per_group,
                   std::span(probe.w).subspan(row * depth, rows_here * depth),
                   std::span(probe.bias).subspan(row, rows_here), free);
      }
      set_weights(g, layers[i], probe.w, probe.bias);
    }
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
