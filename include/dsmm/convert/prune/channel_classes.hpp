// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/prune/channel_graph.hpp"
#include "dsmm/convert/prune/mixing_layer.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// The smallest thing that can be cut: channels of several layers that only go together.
struct channel_class {
  struct use {
    std::size_t layer;
    std::int64_t channels;
  };
  std::size_t family = 0;
  std::vector<use> writes{}, reads{};  ///< by layer: channels that it writes, channels that it reads
};

/// Classes that are written by the same layers: they compete with each other. Of a family a prefix of an order is kept.
struct channel_family {
  std::vector<std::size_t> classes{};
  std::int64_t channels = 1;  ///< most channels of one layer that go with one class
};

struct channel_classes {
  std::vector<channel_class> classes;
  std::vector<channel_family> families;
  std::vector<std::int32_t> of_label;                    ///< by label: its class, -1 if fixed
  std::vector<std::vector<std::int32_t>> read, written;  ///< by layer: the class of each channel, all groups; -1: fixed
};

inline channel_classes classes_of(const channel_graph& graph, std::span<const mixing_layer> layers) {
  channel_classes out;
  const label_sets& sets = graph.sets();
  std::vector<std::int32_t> by_root(sets.size(), -1);
  out.of_label.assign(sets.size(), -1);
  for (std::uint32_t l = 0; l < sets.size(); ++l) {
    const std::uint32_t root = sets.find(l);
    if (root == label_sets::fixed) continue;
    if (by_root[root] < 0) {
      by_root[root] = static_cast<std::int32_t>(out.classes.size());
      out.classes.emplace_back();
    }
    out.of_label[l] = by_root[root];
  }
  const auto add = [&](std::int32_t c, std::size_t layer, std::vector<channel_class::use> channel_class::*to) {
    if (c < 0) return;
    auto& uses = out.classes[static_cast<std::size_t>(c)].*to;
    if (uses.empty() || uses.back().layer != layer) uses.push_back({layer, 0});
    ++uses.back().channels;
  };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const mixing_layer& l = layers[i];
    std::vector<std::int32_t> read, written;
    for (const std::uint32_t label : graph.axis(l.x).labels) read.push_back(out.of_label[label]);
    read.resize(static_cast<std::size_t>(l.groups * l.in), -1);
    for (const std::uint32_t label : graph.axis(l.y).labels) written.push_back(out.of_label[label]);
    for (const std::int32_t c : read) add(c, i, &channel_class::reads);
    for (const std::int32_t c : written) add(c, i, &channel_class::writes);
    out.read.push_back(std::move(read));
    out.written.push_back(std::move(written));
  }
  std::map<std::vector<std::pair<std::size_t, std::int64_t>>, std::size_t> known;
  for (std::size_t c = 0; c < out.classes.size(); ++c) {
    std::vector<std::pair<std::size_t, std::int64_t>> signature;
    std::int64_t most = 1;
    for (const auto& w : out.classes[c].writes)
      signature.emplace_back(w.layer, w.channels), most = std::max(most, w.channels);
    const auto [at, is_new] = known.try_emplace(signature, out.families.size());
    if (is_new) out.families.emplace_back();
    out.classes[c].family = at->second;
    out.families[at->second].classes.push_back(c);
    out.families[at->second].channels = most;
  }
  return out;
}

/// Multiply-adds of a network while classes are taken out of it.
class cost_meter {
public:
  cost_meter(const channel_classes& classes, std::span<const mixing_layer> layers)
      : classes_(classes), layers_(layers) {
    for (const mixing_layer& l : layers) read_.push_back(l.groups * l.in), written_.push_back(l.out);
  }

  void remove(std::size_t c) noexcept {
    for (const auto& u : classes_.classes[c].reads) read_[u.layer] -= u.channels;
    for (const auto& u : classes_.classes[c].writes) written_[u.layer] -= u.channels;
  }
  void restore(std::size_t c) noexcept {
    for (const auto& u : classes_.classes[c].reads) read_[u.layer] += u.channels;
    for (const auto& u : classes_.classes[c].writes) written_[u.layer] += u.channels;
  }
  std::int64_t total() const noexcept {
    std::int64_t n = 0;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const mixing_layer& l = layers_[i];
      n += written_[i] * (l.depthwise() ? 1 : read_[i] / l.groups) * l.taps * l.positions;
    }
    return n;
  }

private:
  const channel_classes& classes_;
  std::span<const mixing_layer> layers_;
  std::vector<std::int64_t> read_, written_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
