// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/channel_classes.hpp"
#include "dsmm/convert/prune/channel_graph.hpp"
#include "dsmm/convert/prune/cut_graph.hpp"
#include "dsmm/convert/prune/cut_order.hpp"
#include "dsmm/convert/prune/cut_plan.hpp"
#include "dsmm/convert/prune/observed_network.hpp"
#include "dsmm/convert/prune/refit.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// A network with fewer channels, before and after its weights were fitted anew.
struct pruned_network {
  lowered_graph cut, refitted;
  std::int64_t multiply_adds = 0;
  std::vector<std::int64_t> channels;  ///< by mixing layer: how many it writes
};

/// Cuts channels out of a network of general operators, as often as wanted: networks for smaller targets keep subsets
/// of the channels that those for larger ones keep.
class pruner {
public:
  /// The graph, its constants and the samples must outlive the pruner.
  /// Errors: those of observe(); unsupported if no channel of the network can be cut.
  static result<std::unique_ptr<pruner>> open(const lowered_graph& g, const sample_set& samples,
                                              const cut_options& cuts = {}, const observe_options& options = {}) {
    auto observed = observe(g, samples, options);
    if (!observed) return observed.error();
    std::unique_ptr<pruner> p(new pruner(g, samples, options, std::move(*observed)));
    p->arrange(cuts);
    if (p->classes_->classes.empty())
      return failure{errc::unsupported, "no channel of this network can be cut without changing its inputs or outputs"};
    return p;
  }

  const observed_network& original() const noexcept { return net_; }
  const channel_classes& classes() const noexcept { return *classes_; }
  std::int64_t full_cost() const noexcept { return plan_->full_cost(); }
  /// Multiply-adds where every layer is at its floor.
  std::int64_t least_cost() const noexcept { return plan_->least_cost(); }
  /// By class, for at most `keep` of the multiply-adds (1: nothing goes).
  std::vector<bool> removed(double keep) const { return plan_->removed(keep); }

  /// What is left of another graph with the ops and shapes of the original one. Errors: unsupported.
  result<lowered_graph> cut(const lowered_graph& g, double keep) const {
    std::size_t stuck = 0;
    auto cut = cut_graph(g, net_.layers, *channels_, *classes_, removed(keep), stuck);
    if (!cut) return failure{errc::unsupported, "an op cannot work on the channels that are left"};
    return std::move(*cut);
  }

  /// Errors: those of refit().
  result<pruned_network> prune(double keep) const {
    const std::vector<bool> gone = removed(keep);
    auto less = cut(g_, keep);
    if (!less) return less.error();
    pruned_network out{std::move(*less), {}, 0, {}};
    std::vector<bool> changed(g_.values.size(), false);
    for (std::uint32_t v = 0; v < g_.values.size(); ++v) changed[v] = out.cut.values[v].dims != g_.values[v].dims;
    kept_rows rows;
    for (std::size_t i = 0; i < net_.layers.size(); ++i) {
      rows.emplace_back();
      for (std::size_t o = 0; o < classes_->written[i].size(); ++o)
        if (const std::int32_t c = classes_->written[i][o]; c < 0 || !gone[static_cast<std::size_t>(c)])
          rows.back().push_back(o);
      out.channels.push_back(static_cast<std::int64_t>(rows.back().size()));
    }
    out.multiply_adds = multiply_adds(out.cut);
    out.refitted = out.cut;
    if (auto ok = refit(out.refitted, net_, rows, std::move(changed), {}, samples_, options_); !ok) return ok.error();
    return out;
  }

private:
  pruner(const lowered_graph& g, const sample_set& samples, const observe_options& options, observed_network&& net)
      : g_(g), samples_(samples), options_(options), net_(std::move(net)) {}

  /// Finds what can be cut and orders it. An op that turns out to be in the way at any point of the sequence keeps its
  /// channels, and all is arranged again.
  void arrange(const cut_options& cuts) {
    std::set<std::size_t> untouchable;
    while (true) {
      channels_.emplace(g_, untouchable);
      classes_.emplace(classes_of(*channels_, net_.layers));
      std::vector<std::vector<cut_step>> orders(classes_->families.size());
      options_.session.exec.each(static_cast<std::uint32_t>(orders.size()), [&](std::uint32_t f) {
        orders[f] = order_family(*classes_, f, net_.layers, net_.systems);
      });
      plan_.emplace(*classes_, net_.layers, orders, cuts);
      bool fits = true;
      for (const double keep : {0.9, 0.75, 0.5, 0.25, 0.1, 0.0}) {
        std::size_t stuck = 0;
        if (cut_graph(g_, net_.layers, *channels_, *classes_, removed(keep), stuck)) continue;
        untouchable.insert(stuck);
        fits = false;
        break;
      }
      if (fits) return;
    }
  }

  const lowered_graph& g_;
  const sample_set& samples_;
  observe_options options_;
  observed_network net_;
  std::optional<channel_graph> channels_;
  std::optional<channel_classes> classes_;
  std::optional<cut_plan> plan_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
