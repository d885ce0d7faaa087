// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/cut_order.hpp"
#include "dsmm/convert/prune/mixing_layer.hpp"
#include "dsmm/convert/prune/observed_network.hpp"
#include "dsmm/convert/prune/refit.hpp"
#include "dsmm/core/result.hpp"

/// Zeros in blocks of 4 inputs x 32 outputs: what the integer convolutions leave out when they pack their weights.
namespace dsmm::inline DSMM_ABI::convert::prune {

struct block_options {
  double drop = 0.5;        ///< share of the multiply-adds of the layers with blocks that goes
  double floor = 0.125;     ///< share of its blocks that every panel of outputs keeps
  std::size_t exact = 640;  ///< up to this many columns, what the others make up for counts block by block
};

struct sparse_network {
  lowered_graph zeroed, refitted;
  std::int64_t multiply_adds = 0;  ///< of all layers, without the blocks that are zero
  std::vector<double> density;     ///< by mixing layer: share of blocks that stay; 1 for layers without blocks
};

namespace block_impl {

/// 32 outputs of a layer, and the order in which their blocks go.
struct panel {
  std::size_t layer = 0, first_row = 0, rows = 0;
  std::vector<cut_step> order{};  ///< cls: tap * quads + quad
  std::size_t gone = 0, at_most = 0;
  double cost = 0;  ///< multiply-adds of one block
};

inline std::size_t quads_of(const mixing_layer& l) noexcept {
  return (static_cast<std::size_t>(l.in) + block_inputs - 1) / block_inputs;
}

/// Columns of a block.
inline std::vector<std::size_t> columns_of(const mixing_layer& l, std::size_t block) {
  const std::size_t quads = quads_of(l), taps = static_cast<std::size_t>(l.taps);
  std::vector<std::size_t> out;
  for (std::size_t i = block % quads * block_inputs, end = i + block_inputs;
       i < end && i < static_cast<std::size_t>(l.in); ++i)
    out.push_back(i * taps + block / quads);
  return out;
}

inline void order_panel(const mixing_layer& l, const mixing_system& whole, bool exact, panel& p) {
  const std::size_t n = whole.h.columns(), blocks = quads_of(l) * static_cast<std::size_t>(l.taps);
  mixing_system part;
  part.layer = whole.layer;
  part.w.assign(whole.w.begin() + static_cast<std::ptrdiff_t>(p.first_row * n),
                whole.w.begin() + static_cast<std::ptrdiff_t>((p.first_row + p.rows) * n));
  part.h = whole.h;
  part.energy = whole.energy;  // panels of a layer compete
  if (exact) part.inverse = whole.inverse;
  order_impl::block b{&part, {}, {}, {}, {}};
  for (std::size_t k = 0; k < blocks; ++k)
    for (const std::size_t c : columns_of(l, k)) {
      b.of_class[k].push_back(b.columns.size());
      b.columns.push_back(c);
    }
  b.load();
  std::vector<std::size_t> left;
  for (std::size_t k = 0; k < blocks; ++k) left.push_back(k);
  if (!exact) {
    for (const std::size_t k : left) p.order.push_back({k, b.loss(k)});
    std::stable_sort(p.order.begin(), p.order.end(),
                     [](const cut_step& a, const cut_step& c) { return a.loss < c.loss; });
    return;
  }
  while (p.order.size() < p.at_most) {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < left.size(); ++i)
      if (const double loss = b.loss(left[i]); loss < least) least = loss, best = i;
    b.remove(left[best]);
    p.order.push_back({left[best], least});
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
  }
}

}  // namespace block_impl

/// Zeroes blocks of a network, those first whose loss the rest of their panel can make up for best, and refits it.
/// Layers with groups, or with fewer than 8 inputs per channel, keep all weights.
/// Errors: those of observe() and refit(); unsupported if no layer has blocks.
inline result<sparse_network> prune_blocks(const lowered_graph& g, const sample_set& samples,
                                           const block_options& blocks, const observe_options& options) {
  using namespace block_impl;
  const auto net = observe(g, samples, options);
  if (!net) return net.error();
  std::vector<panel> panels;
  double total = 0, dropped = 0;
  for (std::size_t i = 0; i < net->layers.size(); ++i) {
    const mixing_layer& l = net->layers[i];
    if (l.groups != 1 || l.in < 8) continue;
    const std::size_t count = quads_of(l) * static_cast<std::size_t>(l.taps);
    for (std::size_t row = 0; row < static_cast<std::size_t>(l.out); row += block_outputs) {
      panel p{i, row, std::min(block_outputs, static_cast<std::size_t>(l.out) - row)};
      p.at_most = count - std::max<std::size_t>(1, static_cast<std::size_t>(blocks.floor * static_cast<double>(count)));
      p.cost = static_cast<double>(p.rows * block_inputs) * static_cast<double>(l.positions);
      total += p.cost * static_cast<double>(count);
      panels.push_back(std::move(p));
    }
  }
  if (panels.empty()) return failure{errc::unsupported, "no layer of this network has blocks of 4 inputs x 32 outputs"};
  options.session.exec.each(static_cast<std::uint32_t>(panels.size()), [&](std::uint32_t i) {
    const mixing_layer& l = net->layers[panels[i].layer];
    const mixing_system& s = net->systems[net->first_system[panels[i].layer]];
    order_panel(l, s, !s.inverse.empty() && s.h.columns() <= blocks.exact, panels[i]);
  });
  while (dropped < blocks.drop * total) {
    panel* best = nullptr;
    double least = std::numeric_limits<double>::infinity();
    for (panel& p : panels)
      if (p.gone < p.at_most)
        if (const double score = p.order[p.gone].loss / p.cost; best == nullptr || score < least)
          least = score, best = &p;
    if (best == nullptr) break;
    ++best->gone;
    dropped += best->cost;
  }
  sparse_network out{g, {}, multiply_adds(g) - static_cast<std::int64_t>(dropped), {}};
  weight_masks masks(net->layers.size());
  std::vector<double> held(net->layers.size(), 0), all(net->layers.size(), 0);
  for (const panel& p : panels) {
    const mixing_layer& l = net->layers[p.layer];
    const auto depth = static_cast<std::size_t>(l.depth());
    auto& mask = masks[p.layer];
    if (mask.empty()) mask.assign((static_cast<std::size_t>(l.out) + block_outputs - 1) / block_outputs * depth, 1);
    for (std::size_t k = 0; k < p.gone; ++k)
      for (const std::size_t c : columns_of(l, p.order[k].cls)) mask[p.first_row / block_outputs * depth + c] = 0;
    const auto count = static_cast<double>(quads_of(l) * static_cast<std::size_t>(l.taps));
    all[p.layer] += count, held[p.layer] += count - static_cast<double>(p.gone);
  }
  kept_rows rows(net->layers.size());
  for (std::size_t i = 0; i < net->layers.size(); ++i) {
    const mixing_layer& l = net->layers[i];
    for (std::size_t o = 0; o < static_cast<std::size_t>(l.out); ++o) rows[i].push_back(o);
    out.density.push_back(all[i] > 0 ? held[i] / all[i] : 1.0);
    if (masks[i].empty()) continue;
    std::vector<float> w = weights_of(g, l);
    const auto depth = static_cast<std::size_t>(l.depth());
    for (std::size_t o = 0; o < rows[i].size(); ++o)
      for (std::size_t c = 0; c < depth; ++c)
        if (masks[i][o / block_outputs * depth + c] == 0) w[o * depth + c] = 0.0f;
    set_weights(out.zeroed, l, w, bias_of(g, l));
  }
  out.refitted = out.zeroed;
  std::vector<bool> changed(g.values.size(), false);
  for (std::size_t i = 0; i < masks.size(); ++i)
    if (!masks[i].empty()) changed[net->layers[i].y] = true;
  if (auto ok = refit(out.refitted, *net, rows, std::move(changed), masks, samples, options); !ok) return ok.error();
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
