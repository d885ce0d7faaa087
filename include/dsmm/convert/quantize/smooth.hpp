// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/calibrate.hpp"
#include "dsmm/convert/quantize/own_constant.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace quantize_impl {

/// A layer norm whose result only products with constants read: its channels can be made louder or quieter by gamma and
/// beta, and the columns of the products take it back.
struct smooth_place {
  std::size_t norm = 0;                 ///< op
  std::vector<std::size_t> products{};  ///< ops that read it, directly or through copies that keep the last axis
  std::vector<float> top{};             ///< largest magnitude of each channel
};

class smoother {
public:
  explicit smoother(lowered_graph& g) : g_(g), readers_(g.values.size()) {
    for (std::size_t k = 0; k < g.ops.size(); ++k)
      for (const std::uint32_t v : g.ops[k].inputs)
        if (v != no_value) readers_[v].push_back(k);
  }

  /// All places in the order of the graph, `top` zero.
  std::vector<smooth_place> places(const quantize_plan& plan) const {
    std::vector<smooth_place> found;
    for (std::size_t k = 0; k < g_.ops.size(); ++k) {
      if (plan.steps[k].how != runs_as::layer_norm) continue;
      const std::uint32_t y = g_.ops[k].outputs[0];
      smooth_place p{k};
      const std::int64_t channels = g_.values[y].dims.back();
      if (!collect(y, channels, p.products)) continue;
      p.top.assign(static_cast<std::size_t>(channels), 0.0f);
      found.push_back(std::move(p));
    }
    return found;
  }

  /// Multiplies the channels of the norm by `gain` and divides the columns of the products by it.
  void move(const smooth_place& p, std::span<const float> gain) {
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
      const std::span<float> row = own_constant(g_, g_.ops[p.norm], i);
      for (std::size_t c = 0; c < gain.size(); ++c) row[c] *= gain[c];
    }
    for (const std::size_t k : p.products) {
      const bool turned = g_.ops[k].attributes[1] != 0;  // (O, I) instead of (I, O)
      const std::span<float> w = own_constant(g_, g_.ops[k], 1);
      const std::size_t out = w.size() / gain.size();
      for (std::size_t i = 0; i < w.size(); ++i) w[i] /= gain[turned ? i % gain.size() : i / out];
    }
  }

private:
  bool collect(std::uint32_t v, std::int64_t channels, std::vector<std::size_t>& products) const {
    for (const std::size_t k : readers_[v]) {
      const lowered_op& op = g_.ops[k];
      if (op.kind == op_kind::nd_copy) {
        const dim_list& d = g_.values[op.outputs[0]].dims;
        const bool keeps =
            !d.empty() && d.back() == channels && op.attributes[d.size()] == 1 && op.attributes[0] % channels == 0;
        if (!keeps || !strides_are_rows(op, d.size(), channels) || !collect(op.outputs[0], channels, products))
          return false;
        continue;
      }
      const bool product = op.kind == op_kind::nd_matmul && op.inputs[0] == v && op.attributes[0] == 0 &&
                           is_f32_constant(g_, op.inputs[1]) && g_.values[op.inputs[1]].dims.size() == 2;
      if (!product || g_.values[op.inputs[1]].dims[op.attributes[1] != 0 ? 1 : 0] != channels) return false;
      products.push_back(k);
    }
    return true;
  }

  static bool strides_are_rows(const lowered_op& op, std::size_t rank, std::int64_t channels) {
    for (std::size_t d = 0; d + 1 < rank; ++d)
      if (op.attributes[1 + d] % channels != 0) return false;
    return true;
  }

  lowered_graph& g_;
  std::vector<std::vector<std::size_t>> readers_;
};

/// The power of two nearest to ratio^strength, at most 64.
inline float smooth_gain(double ratio, double strength) {
  const double exponent = std::clamp(strength * std::log2(std::clamp(ratio, 1.0, 0x1p60)), 0.0, 6.0);
  return static_cast<float>(std::ldexp(1.0, static_cast<int>(std::nearbyint(exponent))));
}

}  // namespace quantize_impl

/// Evens out the channels of layer norms that products with constants read, as SmoothQuant does: a few loud channels
/// set the step of all on their common u8 grid; gamma and beta make the others louder, and the columns of the products
/// behind quieter. Gains are powers of two, so the fp32 function stays the same to the bit.
///
/// strength  1: every channel reaches the loudest one's magnitude, up to 64 times louder; 0.5: the square root of the
///           way, which leaves the weights easier to round; 0: nothing is done.
/// Errors: of the samples and of session.
inline result<void> smooth(lowered_graph& g, const quantize_plan& plan, const sample_set& samples, double strength,
                           const session_options& options, const progress_call& progress) {
  quantize_impl::smoother s(g);
  std::vector<quantize_impl::smooth_place> places = s.places(plan);
  if (places.empty() || strength <= 0.0) return {};
  if (places.size() > 400) places.resize(400);  // of the 512 names that a model may give its tensors
  std::vector<std::uint32_t> observed;
  for (const auto& p : places) observed.push_back(g.ops[p.norm].outputs[0]);
  auto run = sample_run::prepare(g, observed, false, options);
  if (!run) return run.error();
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (progress) progress("smooth", i, samples.count);
    if (auto ok = (*run)->run(samples, i); !ok) return ok;
    for (std::size_t k = 0; k < places.size(); ++k) {
      const auto y = (*run)->observed(observed[k]);
      std::vector<float>& top = places[k].top;
      for (std::size_t j = 0; j < y.size(); ++j) top[j % top.size()] = std::max(top[j % top.size()], std::abs(y[j]));
    }
  }
  if (progress) progress("smooth", samples.count, samples.count);
  for (const auto& p : places) {
    const auto loudest = static_cast<double>(*std::max_element(p.top.begin(), p.top.end()));
    std::vector<float> gain;
    for (const float t : p.top)
      gain.push_back(quantize_impl::smooth_gain(loudest / std::max(static_cast<double>(t), 1e-20), strength));
    s.move(p, gain);
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::convert
