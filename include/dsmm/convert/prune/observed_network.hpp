// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/progress.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/cut_order.hpp"
#include "dsmm/convert/prune/mixing_layer.hpp"
#include "dsmm/convert/prune/moments.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

struct observe_options {
  std::int64_t positions = 4096;    ///< output positions per layer, over all samples
  std::size_t full_columns = 2304;  ///< layers with more columns per group are judged and refitted by variances only
  double damping = 0.01;            ///< share of the mean variance of a column that is added to each
  session_options session{};
  progress_call progress{};
};

/// What the network computes on the calibration data before anything is cut.
struct observed_network {
  std::vector<mixing_layer> layers;
  std::vector<position_choice> positions;   ///< by layer
  std::vector<std::vector<float>> targets;  ///< by layer: (position, channel), sums with bias and residual
  std::vector<mixing_system> systems;       ///< layer by layer, group by group
  std::vector<std::size_t> first_system;    ///< by layer
  std::size_t samples = 0;
};

namespace observe_impl {

/// y[o] = w[o] x + bias[o] for the rows of one group.
inline void sums(std::span<const float> w, std::span<const float> bias, std::span<const float> x,
                 std::span<float> y) noexcept {
  const std::size_t n = x.size();
  for (std::size_t o = 0; o < y.size(); ++o) {
    const float* const row = w.data() + o * n;
    float part[8] = {};
    std::size_t k = 0;
    for (; k + 8 <= n; k += 8)
      for (std::size_t p = 0; p < 8; ++p) part[p] += row[k + p] * x[k + p];
    float sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    for (; k < n; ++k) sum += row[k] * x[k];
    y[o] = sum + bias[o];
  }
}

/// One layer at the positions of one sample.
struct layer_probe {
  const mixing_layer& layer;
  position_reader reader;
  std::vector<float> w, bias, columns, sums;

  layer_probe(const lowered_graph& g, const mixing_layer& l)
      : layer(l),
        reader(g, l),
        w(weights_of(g, l)),
        bias(bias_of(g, l)),
        columns(static_cast<std::size_t>(l.depth())),
        sums(static_cast<std::size_t>(l.out)) {}

  /// f(group, columns) for every group; then `sums` holds the outputs without residual.
  template <class F>
  void look(std::span<const float> x, std::int64_t position, F&& f) {
    const auto rows = static_cast<std::size_t>(layer.out_per_group()), depth = columns.size();
    for (std::int64_t group = 0; group < layer.groups; ++group) {
      reader.columns(x, position, group, columns);
      const std::size_t first = static_cast<std::size_t>(group) * rows;
      observe_impl::sums(std::span(w).subspan(first * depth, rows * depth), std::span(bias).subspan(first, rows),
                         columns, std::span(sums).subspan(first, rows));
      f(static_cast<std::size_t>(group), std::span<const float>(columns));
    }
  }
};

}  // namespace observe_impl

/// Runs the network over all samples.
/// Errors: of the samples and of session; invalid_argument without samples.
/// Cost: per layer, positions * columns * (columns / 2 + channels); memory: columns^2 doubles per layer.
inline result<observed_network> observe(const lowered_graph& g, const sample_set& samples,
                                        const observe_options& options) {
  using namespace observe_impl;
  if (samples.count == 0) return failure{errc::invalid_argument, "pruning needs calibration data"};
  observed_network net;
  net.samples = samples.count;
  net.layers = mixing_layers(g);
  std::vector<layer_probe> probes;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const mixing_layer& l = net.layers[i];
    probes.emplace_back(g, l);
    net.positions.emplace_back(l.positions, samples.count, options.positions, i);
    net.targets.emplace_back();
    net.first_system.push_back(net.systems.size());
    const auto depth = static_cast<std::size_t>(l.depth()), rows = static_cast<std::size_t>(l.out_per_group());
    for (std::int64_t group = 0; group < l.groups; ++group) {
      const auto first = probes.back().w.begin() + group * static_cast<std::ptrdiff_t>(rows * depth);
      net.systems.push_back({i,
                             group,
                             {first, first + static_cast<std::ptrdiff_t>(rows * depth)},
                             moments(depth, depth <= options.full_columns)});
    }
  }
  constexpr std::size_t per_pass = 128;  // layers; two values each, and 512 names are allowed in a model
  const std::size_t passes = (net.layers.size() + per_pass - 1) / per_pass;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const std::size_t first = pass * per_pass, last = std::min(net.layers.size(), first + per_pass);
    std::vector<std::uint32_t> wanted;
    for (std::size_t i = first; i < last; ++i) {
      wanted.push_back(net.layers[i].x);
      if (net.layers[i].residual != no_value) wanted.push_back(net.layers[i].residual);
    }
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    auto run = sample_run::prepare(g, wanted, true, options.session);
    if (!run) return run.error();
    for (std::size_t s = 0; s < samples.count; ++s) {
      if (options.progress) options.progress("observe", pass * samples.count + s, passes * samples.count);
      if (auto ok = (*run)->run(samples, s); !ok) return ok.error();
      options.session.exec.each(static_cast<std::uint32_t>(last - first), [&](std::uint32_t at) {
        const std::size_t i = first + at;
        layer_probe& probe = probes[i];
        const auto x = (*run)->observed(probe.layer.x), r = (*run)->observed(probe.layer.residual);
        for (std::int64_t p = 0; p < net.positions[i].count(); ++p) {
          const std::int64_t position = net.positions[i].at(s, p);
          probe.look(x, position,
                     [&](std::size_t group, auto columns) { net.systems[net.first_system[i] + group].h.add(columns); });
          for (std::int64_t o = 0; probe.layer.residual != no_value && o < probe.layer.out; ++o)
            probe.sums[static_cast<std::size_t>(o)] += r[probe.reader.output_index(position, o)];
          net.targets[i].insert(net.targets[i].end(), probe.sums.begin(), probe.sums.end());
        }
      });
    }
  }
  options.session.exec.each(static_cast<std::uint32_t>(net.systems.size()),
                            [&](std::uint32_t i) { net.systems[i].finish(options.damping); });
  return net;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
