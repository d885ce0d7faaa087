// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/cholesky.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"

namespace dsmm::inline DSMM_ABI::convert {

struct rounding_options {
  std::int32_t bits = 8;      ///< 8: s8 per channel; 4: i4s
  std::int32_t group = 64;    ///< of i4s: 0, 32, 64 or 128
  bool second_order = true;   ///< let later columns make up for the error of earlier ones
  bool correct_bias = true;   ///< take the mean error into the bias
};

/// Weights as the file stores them, and how far the layer's output moved.
struct rounded_layer {
  std::int32_t bits = 8, group = 0;
  std::vector<std::int8_t> codes;   ///< (channels, depth): s8 values, or nibbles - 8
  std::vector<std::uint8_t> steps;  ///< i4s: (channels, groups), 1..16
  std::vector<float> scale;         ///< real = codes * step * scale
  std::vector<float> bias;
  double signal = 0, noise = 0;  ///< power of the fp32 output without bias, and of the error, over the kept positions

  double sqnr_db() const noexcept { return noise > 0 && signal > 0 ? 10.0 * std::log10(signal / noise) : 200.0; }
};

namespace quantize_impl {

/// Integer group scales and the channel's scale for one row of weights, weighed by the power of each column.
class step_search {
public:
  step_search(std::span<const float> w, std::span<const double> power, std::size_t group)
      : w_(w), power_(power), group_(group == 0 ? w.size() : group), per_channel_(group == 0) {}

  /// Returns the scale; `steps` get 1..16.
  float run(std::span<std::uint8_t> steps) const {
    std::vector<double> ideal(steps.size());
    double top = 0;
    for (std::size_t g = 0; g < steps.size(); ++g) top = std::max(top, ideal[g] = best_step(g));
    if (top <= 0) {
      std::fill(steps.begin(), steps.end(), std::uint8_t{16});
      return 0.0f;
    }
    double least = std::numeric_limits<double>::max();
    float chosen = 0;
    std::vector<std::uint8_t> tried(steps.size());
    for (std::int32_t high = 16; high >= (per_channel_ ? 16 : 10); --high) {
      const auto scale = static_cast<float>(top / high);
      double total = 0;
      for (std::size_t g = 0; g < steps.size(); ++g) {
        const auto near = static_cast<std::int32_t>(std::lround(ideal[g] / static_cast<double>(scale)));
        double best = std::numeric_limits<double>::max();
        for (std::int32_t s = std::max(1, near - 1); s <= std::min(16, near + 1) || s == 1; ++s) {
          if (per_channel_) s = 16;
          const double e = error(g, static_cast<double>(scale) * s);
          if (e < best) best = e, tried[g] = static_cast<std::uint8_t>(s);
        }
        total += best;
      }
      if (total < least) {
        least = total;
        chosen = scale;
        std::copy(tried.begin(), tried.end(), steps.begin());
      }
    }
    return chosen;
  }

private:
  double error(std::size_t g, double step) const {
    double sum = 0;
    for (std::size_t k = g * group_, end = std::min(k + group_, w_.size()); k < end; ++k) {
      const auto w = static_cast<double>(w_[k]);
      const double e = std::clamp(std::nearbyint(w / step), -8.0, 7.0) * step - w;
      sum += e * e * power_[k];
    }
    return sum;
  }
  double best_step(std::size_t g) const {
    double top = 0;
    for (std::size_t k = g * group_, end = std::min(k + group_, w_.size()); k < end; ++k)
      top = std::max(top, std::abs(static_cast<double>(w_[k])));
    if (top <= 0) return 0;
    double best = top / 7, least = std::numeric_limits<double>::max();
    for (const double r : {1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55})
      if (const double e = error(g, top * r / 7); e < least) least = e, best = top * r / 7;
    return best;
  }

  std::span<const float> w_;
  std::span<const double> power_;
  std::size_t group_;
  bool per_channel_;
};

/// Rounds one row against a factored moment block (columns in the order of `order`), from the last column to the first:
/// each takes over the error that those behind it left (Babai's nearest plane; the same integers as GPTQ's). A weight
/// of zero was pruned and stays zero: kernels leave blocks of zeros out.
inline void round_row(const std::vector<double>& factored, std::span<const std::size_t> order,
                      std::span<const float> w, std::span<const double> step, double low, double high,
                      std::span<std::int8_t> codes) {
  const std::size_t n = order.size();
  std::vector<double> carried(n, 0.0);
  for (std::size_t i = n; i-- > 0;) {
    const double* const row = factored.data() + i * n;
    const std::size_t k = order[i];
    const auto real = static_cast<double>(w[k]);
    const double code =
        real == 0.0 ? 0.0 : std::clamp(std::nearbyint((real + carried[i] / row[i]) / step[k]), low, high);
    codes[k] = static_cast<std::int8_t>(code);
    const double error = real - code * step[k];
    for (std::size_t j = 0; j < i; ++j) carried[j] += row[j] * error;
  }
}

/// A moment block with its columns sorted by power, weakest first, damped by a hundredth of the mean power, factored.
struct factored_block {
  std::size_t first = 0;
  std::vector<std::size_t> order{};
  std::vector<double> l{};  ///< empty: could not be factored

  explicit factored_block(const moment_matrix& from) : first(from.first), order(from.n), l(from.n * from.n) {
    const std::size_t n = from.n;
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return from.m[a * n + a] < from.m[b * n + b]; });
    double mean = 0;
    for (std::size_t k = 0; k < n; ++k) mean += from.m[k * n + k] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        const std::size_t a = std::max(order[i], order[j]), b = std::min(order[i], order[j]);
        l[i * n + j] = from.m[a * n + b] + (i == j ? 0.01 * mean + 1e-12 : 0.0);
      }
    if (!cholesky(l, n)) l.clear();
  }
};

/// Power of the layer's fp32 output and of its error over the kept positions.
inline void measure(const weight_layer& l, const layer_inputs& in, std::span<const float> real, rounded_layer& r) {
  const std::size_t depth = l.depth(), columns = in.columns(), out = l.channels() / static_cast<std::size_t>(l.groups);
  for (std::size_t at = 0; at + columns <= in.kept().size(); at += columns)
    for (std::size_t o = 0; o < l.channels(); ++o) {
      const float* const x = in.kept().data() + at + o / out * depth;
      float y[4] = {}, e[4] = {};
      std::size_t k = 0;
      for (; k + 4 <= depth; k += 4)
        for (std::size_t p = 0; p < 4; ++p) {
          const float w = l.w[o * depth + k + p];
          y[p] += w * x[k + p];
          e[p] += (real[o * depth + k + p] - w) * x[k + p];
        }
      for (; k < depth; ++k) {
        y[0] += l.w[o * depth + k] * x[k];
        e[0] += (real[o * depth + k] - l.w[o * depth + k]) * x[k];
      }
      const double signal = static_cast<double>((y[0] + y[1]) + (y[2] + y[3]));
      const double noise =
          static_cast<double>((e[0] + e[1]) + (e[2] + e[3])) + static_cast<double>(r.bias[o] - l.bias[o]);
      r.signal += signal * signal;
      r.noise += noise * noise;
    }
}

}  // namespace quantize_impl

/// Rounds the weights of a layer.
///
/// least  per channel, the smallest scale that the requantization of its result can express.
/// Cost: depth^3 / 3 per moment block once, depth^2 / 2 per channel; nothing but depth per channel without moments.
inline rounded_layer round_layer(const weight_layer& l, const layer_inputs& in, const rounding_options& options,
                                 std::span<const float> least) {
  using namespace quantize_impl;
  const std::size_t depth = l.depth(), channels = l.channels(), out = channels / static_cast<std::size_t>(l.groups);
  rounded_layer r;
  r.bits = options.bits;
  r.group = options.bits == 4 ? options.group : 0;
  const auto group = static_cast<std::size_t>(r.group);
  const std::size_t groups = group == 0 ? 1 : (depth + group - 1) / group;
  r.codes.resize(channels * depth);
  r.scale.resize(channels);
  r.bias = l.bias;
  if (r.bits == 4) r.steps.assign(channels * groups, 16);
  std::vector<double> power(in.columns(), 1.0);
  std::vector<factored_block> blocks;
  for (const moment_matrix& m : in.moments()) {
    double mean = 1e-12;
    for (std::size_t k = 0; k < m.n; ++k) mean += m.m[k * m.n + k] / static_cast<double>(m.n);
    for (std::size_t k = 0; k < m.n; ++k) power[m.first + k] = m.m[k * m.n + k] / mean + 0.01;
    if (options.second_order) blocks.emplace_back(m);
  }
  std::vector<float> real(channels * depth);
  std::vector<double> step(depth);
  const double low = r.bits == 4 ? -8 : -127, high = r.bits == 4 ? 7 : 127;
  for (std::size_t o = 0; o < channels; ++o) {
    const std::size_t base = o / out * depth;
    const std::span<const float> w(l.w.data() + o * depth, depth);
    if (r.bits == 4) {
      const step_search search(w, {power.data() + base, depth}, group);
      r.scale[o] = search.run({r.steps.data() + o * groups, groups});
    } else {
      float top = 0;
      for (const float v : w) top = std::max(top, std::abs(v));
      r.scale[o] = top / 127.0f;
    }
    r.scale[o] = std::max(r.scale[o], least[o]);
    for (std::size_t k = 0; k < depth; ++k)
      step[k] =
          static_cast<double>(r.scale[o]) * (r.bits == 4 ? r.steps[o * groups + (group == 0 ? 0 : k / group)] : 1);
    const std::span<std::int8_t> codes(r.codes.data() + o * depth, depth);
    for (std::size_t k = 0; k < depth; ++k)
      codes[k] = static_cast<std::int8_t>(std::clamp(std::nearbyint(static_cast<double>(w[k]) / step[k]), low, high));
    for (const factored_block& b : blocks) {
      if (b.l.empty() || b.first < base || b.first >= base + depth) continue;
      const std::size_t from = b.first - base, n = b.order.size();
      round_row(b.l, b.order, w.subspan(from, n), std::span(step).subspan(from, n), low, high, codes.subspan(from, n));
    }
    double moved = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      real[o * depth + k] = static_cast<float>(codes[k] * step[k]);
      moved += (codes[k] * step[k] - static_cast<double>(w[k])) * in.mean(base + k);
    }
    if (options.correct_bias) r.bias[o] -= static_cast<float>(moved);
  }
  measure(l, in, real, r);
  return r;
}

}  // namespace dsmm::inline DSMM_ABI::convert
