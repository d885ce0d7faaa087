// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// f32 outputs of a network by sample and output; logits where it ends in a softmax.
using output_record = std::vector<std::vector<std::vector<float>>>;

/// Where an output is compared: before a softmax that ends the network, because probabilities hide what logits show.
inline std::uint32_t compared_value(const lowered_graph& g, std::uint32_t v) {
  for (std::size_t i = g.ops.size(); i-- > 0;) {
    const lowered_op& op = g.ops[i];
    if (op.outputs.empty() || op.outputs[0] != v) continue;
    if (op.kind == op_kind::nd_softmax) return op.inputs[0];
    if (op.kind != op_kind::nd_copy) return v;
    const std::uint32_t before = compared_value(g, op.inputs[0]);
    return before == op.inputs[0] ? v : before;
  }
  return v;
}

/// Errors: those of the samples and of session.
inline result<output_record> record_outputs(const lowered_graph& g, const sample_set& samples,
                                            const session_options& options) {
  std::vector<std::uint32_t> values;
  for (const lowered_port& p : g.outputs) values.push_back(compared_value(g, p.value));
  auto run = sample_run::prepare(g, values, false, options);
  if (!run) return run.error();
  output_record out(samples.count);
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (auto ok = (*run)->run(samples, i); !ok) return ok.error();
    for (const std::uint32_t v : values) {
      const auto y = g.values[v].type == dtype::f32 ? (*run)->observed(v) : std::span<const float>{};
      out[i].emplace_back(y.begin(), y.end());
    }
  }
  return out;
}

/// How alike the outputs of two networks are.
struct agreement {
  double sqnr_db = 0;           ///< power of the original outputs over that of the difference, all f32 outputs
  double top1 = -1;             ///< share of samples with the same largest element; -1: not one vector as output
  std::vector<double> outputs;  ///< SQNR of each output in dB; 0 for those that are not f32
};

/// g  the original network, for the shapes of its outputs.
inline agreement compare_outputs(const lowered_graph& g, const output_record& original, const output_record& other) {
  const auto decibel = [](double signal, double noise) {
    return noise > 0 && signal > 0 ? std::min(200.0, 10.0 * std::log10(signal / noise)) : 200.0;
  };
  agreement a;
  double all_signal = 0, all_noise = 0;
  for (std::size_t k = 0; k < g.outputs.size(); ++k) {
    const lowered_value& v = g.values[compared_value(g, g.outputs[k].value)];
    double signal = 0, noise = 0;
    std::size_t same = 0;
    for (std::size_t i = 0; i < original.size(); ++i) {
      const std::vector<float>&y = original[i][k], &z = other[i][k];
      for (std::size_t j = 0; j < y.size(); ++j) {
        const double d = static_cast<double>(z[j]) - static_cast<double>(y[j]);
        signal += static_cast<double>(y[j]) * static_cast<double>(y[j]);
        noise += d * d;
      }
      same += std::max_element(y.begin(), y.end()) - y.begin() == std::max_element(z.begin(), z.end()) - z.begin();
    }
    a.outputs.push_back(v.type == dtype::f32 ? decibel(signal, noise) : 0.0);
    all_signal += signal, all_noise += noise;
    const std::int64_t longest = v.dims.empty() ? 1 : *std::max_element(v.dims.begin(), v.dims.end());
    if (g.outputs.size() == 1 && v.type == dtype::f32 && longest > 1 && longest == count_of(v.dims) &&
        !original.empty())
      a.top1 = static_cast<double>(same) / static_cast<double>(original.size());
  }
  a.sqnr_db = decibel(all_signal, all_noise);
  return a;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
