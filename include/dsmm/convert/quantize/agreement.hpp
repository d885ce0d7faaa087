// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// How one output of the quantized model compares with the fp32 model's over a set of samples.
struct output_agreement {
  std::string name;
  bool logits = false;         ///< what the softmax of that output sees
  bool ranks = false;          ///< one score per class: top1 means something
  std::size_t samples = 0, same_top1 = 0;
  double signal = 0, noise = 0;  ///< summed squares
  double felt_signal = 0, felt_noise = 0;  ///< of logits without their mean, which a softmax does not see
  double largest = 0;            ///< largest absolute difference

  double sqnr_db() const noexcept { return noise > 0 && signal > 0 ? 10.0 * std::log10(signal / noise) : 200.0; }
  double noise_percent() const noexcept {
    return felt_signal > 0 ? 100.0 * felt_noise / felt_signal : felt_noise > 0 ? 100.0 : 0.0;
  }
  double top1_percent() const noexcept {
    return samples == 0 ? 100.0 : 100.0 * static_cast<double>(same_top1) / static_cast<double>(samples);
  }

  void see(std::span<const float> real, std::span<const float> got) {
    const auto mean = [&](std::span<const float> v) {
      return logits && ranks ? std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size()) : 0.0;
    };
    const double shared = mean(real), shift = mean(got) - shared;
    for (std::size_t i = 0; i < real.size(); ++i) {
      const double a = static_cast<double>(real[i]), e = static_cast<double>(got[i]) - a;
      signal += a * a;
      noise += e * e;
      felt_signal += (a - shared) * (a - shared);
      felt_noise += (e - shift) * (e - shift);
      largest = std::max(largest, std::abs(e));
    }
    ++samples;
    const auto top = [](std::span<const float> v) { return std::max_element(v.begin(), v.end()) - v.begin(); };
    if (ranks && top(real) == top(got)) ++same_top1;
  }
};

/// Names that the quantizer gives values which it exposes for measuring only.
inline std::string logits_name(const std::string& output) { return "#logits " + output; }

/// Adds an output for the values that go into the softmax of an output, through copies: the agreement of probabilities
/// says little, they are nearly all 0.
inline void expose_logits(lowered_graph& g) {
  std::vector<const lowered_op*> by(g.values.size(), nullptr);
  for (const lowered_op& op : g.ops)
    for (const std::uint32_t v : op.outputs)
      if (v != no_value) by[v] = &op;
  const std::size_t count = g.outputs.size();
  for (std::size_t i = 0; i < count; ++i) {
    const lowered_op* op = by[g.outputs[i].value];
    while (op != nullptr && op->kind == op_kind::nd_copy) op = by[op->inputs[0]];
    if (op != nullptr && op->kind == op_kind::nd_softmax && !g.values[op->inputs[0]].is_constant)
      g.outputs.push_back({logits_name(g.outputs[i].name), op->inputs[0]});
  }
}

/// One row per f32 output of the graph, empty.
inline std::vector<output_agreement> blank_agreement(const lowered_graph& g) {
  std::vector<output_agreement> rows;
  for (const lowered_port& p : g.outputs) {
    output_agreement a;
    a.logits = p.name.starts_with("#logits ");
    a.name = a.logits ? p.name.substr(8) : p.name;
    const dim_list& dims = g.values[p.value].dims;
    const auto wide = std::count_if(dims.begin(), dims.end(), [](std::int64_t d) { return d > 1; });
    a.ranks = wide == 1;
    rows.push_back(std::move(a));
  }
  return rows;
}

/// Runs the quantized model on samples and compares with reference outputs, which may be those of another run.
/// Errors: of the samples.
template <class Reference>
result<std::vector<output_agreement>> agreement(const lowered_graph& g, sample_run& quantized,
                                                const sample_set& samples, Reference&& reference) {
  std::vector<output_agreement> rows = blank_agreement(g);
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (auto ok = quantized.run(samples, i); !ok) return ok.error();
    for (std::size_t k = 0; k < rows.size(); ++k) {
      if (g.values[g.outputs[k].value].type != dtype::f32) continue;
      const std::span<const float> real = reference(i, k), got = quantized.f32(g.outputs[k].name);
      if (real.size() == got.size()) rows[k].see(real, got);
    }
  }
  return rows;
}

/// Whether an output says how much was lost: logits do instead of their probabilities.
inline bool counts(std::span<const output_agreement> rows, const output_agreement& a) noexcept {
  if (a.samples == 0 || a.logits) return a.samples != 0;
  return std::none_of(rows.begin(), rows.end(),
                      [&](const output_agreement& b) { return b.logits && b.name == a.name; });
}

/// The share of noise in each output that counts, in percent of its power; of logits, what their softmax sees.
inline std::vector<double> losses_percent(std::span<const output_agreement> rows) {
  std::vector<double> losses;
  for (const output_agreement& a : rows)
    if (counts(rows, a)) losses.push_back(a.noise_percent());
  return losses;
}

/// That of the worst one.
inline double loss_percent(std::span<const output_agreement> rows) {
  double worst = 0;
  for (const double loss : losses_percent(rows)) worst = std::max(worst, loss);
  return worst;
}

}  // namespace dsmm::inline DSMM_ABI::convert
