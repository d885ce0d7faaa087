// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/channel_fit.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"
#include "dsmm/convert/quantize/moment_form.hpp"
#include "dsmm/convert/quantize/step_search.hpp"
#include "dsmm/core/executor.hpp"

namespace dsmm::inline DSMM_ABI::convert {

struct rounding_options {
  std::int32_t bits = 8;      ///< 8: s8 per channel; 4: i4s
  std::int32_t group = 64;    ///< of i4s: 0, 32, 64 or 128
  bool second_order = true;   ///< let later columns make up for the error of earlier ones
  bool correct_bias = true;   ///< take the mean error into the bias
  executor exec{};            ///< channels are shared out; no result depends on it
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

inline constexpr std::size_t measured_rows = 192;  ///< by which the error of a layer is measured

/// Power of the layer's fp32 output and of what rounding did to it, over some rows.
inline void measure(const weight_layer& l, const layer_inputs& in, std::span<const float> error, rounded_layer& r) {
  const std::size_t depth = l.depth(), out = l.channels() / static_cast<std::size_t>(l.groups);
  const std::size_t rows = std::min(measured_rows, in.count());
  std::vector<double> e(rows);
  for (std::size_t o = 0; o < l.channels(); ++o) {
    double mean = 0;  // the bias's
    for (std::size_t i = 0; i < rows; ++i) {
      const float* const x = in.row(i * in.count() / rows).data() + o / out * depth;
      const auto signal = static_cast<double>(row_dot(l.w.data() + o * depth, x, depth));
      e[i] = static_cast<double>(row_dot(error.data() + o * depth, x, depth));
      mean += e[i] / static_cast<double>(rows);
      r.signal += signal * signal;
    }
    for (const double v : e) r.noise += (v - mean) * (v - mean);
  }
}

/// Corrections are damped more than rounding: they are learnt from the samples and must hold for others.
inline constexpr double correction_damping = 1.0;

/// Scales of four-bit rows tried beside the one of least error in the weights. SqueezeNet: 2 to 20 % less error of a
/// layer's output, 8 % in the mean.
inline constexpr std::array<double, 4> other_scales{0.93, 0.86, 0.79, 1.08};

/// Rounds the rows of one layer.
class layer_rounder {
public:
  layer_rounder(const weight_layer& l, const layer_inputs& in, const rounding_options& options,
                std::span<const float> least)
      : l_(l), in_(in), options_(options), least_(least), depth_(l.depth()),
        out_(l.channels() / static_cast<std::size_t>(l.groups)), power_(in.columns(), 1.0) {
    for (const moment_matrix& m : in.moments()) {
      double mean = 1e-12;
      for (std::size_t k = 0; k < m.n; ++k) mean += m.m[k * m.n + k] / static_cast<double>(m.n);
      for (std::size_t k = 0; k < m.n; ++k) power_[m.first + k] = m.m[k * m.n + k] / mean + 0.01;
      if (options.second_order) forms_.emplace_back(m, 0.01);
    }
    r_.bits = options.bits;
    r_.group = options.bits == 4 ? options.group : 0;
    group_ = static_cast<std::size_t>(r_.group);
    groups_ = group_ == 0 ? 1 : (depth_ + group_ - 1) / group_;
    low_ = r_.bits == 4 ? -8 : -127, high_ = r_.bits == 4 ? 7 : 127;
    r_.codes.resize(l.channels() * depth_);
    r_.scale.resize(l.channels());
    r_.bias = l.bias;
    if (r_.bits == 4) r_.steps.assign(l.channels() * groups_, 16);
  }

  rounded_layer run() {
    std::vector<float> error(r_.codes.size());
    constexpr std::size_t run = 4;  // channels of a task
    for (std::size_t first = 0; first < l_.channels(); first += out_) {  // group by group: each has its own moments
      correct_by(first);
      options_.exec.each(static_cast<std::uint32_t>((out_ + run - 1) / run), [&](std::uint32_t t) {
        const std::size_t begin = first + t * run, end = std::min(begin + run, first + out_);
        for (std::size_t o = begin; o < end; ++o) channel(o, std::span(error).subspan(o * depth_, depth_));
      });
    }
    measure(l_, in_, error, r_);
    return std::move(r_);
  }

private:
  /// One row, whatever the others are.
  void channel(std::size_t o, std::span<float> error) {
    channel_fit fit(l_, in_, o);
    const std::vector<double> w = wanted(o, fit);
    choose_scale(o, w);
    round_best(o, w);
    const std::vector<double> step = steps(o);
    std::vector<float> real(depth_);
    for (std::size_t k = 0; k < depth_; ++k) {
      real[k] = static_cast<float>(r_.codes[o * depth_ + k] * step[k]);
      error[k] = static_cast<float>(r_.codes[o * depth_ + k] * step[k] - w[k]);
    }
    if (!options_.correct_bias) return;
    fit.weights(real);
    r_.bias[o] = fit.fit_bias();
  }

  /// Makes the form by which the weights of a group are corrected, if there is one.
  void correct_by(std::size_t first) {
    const moment_form* const form = form_of(first, 0);
    wide_.reset();
    if (form != nullptr && form->size() == depth_ && in_.count() > depth_)
      wide_.emplace(in_.moments()[base(first) / depth_], correction_damping);
  }

  std::size_t base(std::size_t o) const { return o / out_ * depth_; }

  /// The weights that come nearest to the target on the inputs as they are: the model's own and what makes up for the
  /// noise before the layer.
  std::vector<double> wanted(std::size_t o, channel_fit& fit) const {
    const auto first = l_.w.begin() + static_cast<std::ptrdiff_t>(o * depth_);
    std::vector<float> now(first, first + static_cast<std::ptrdiff_t>(depth_));
    for (std::size_t turn = 0; turn < 3 && wide_ && wide_->usable(); ++turn) {
      fit.weights(now);
      if (options_.correct_bias) fit.fit_bias();
      const std::vector<double> more = wide_->solve(fit.pull());
      for (std::size_t k = 0; k < depth_; ++k)
        if (now[k] != 0.0f) now[k] += static_cast<float>(more[k]);
    }
    return {now.begin(), now.end()};
  }

  /// The form of the block that begins at column `from` of the row; nullptr: there is none.
  const moment_form* form_of(std::size_t o, std::size_t from) const {
    for (const moment_form& f : forms_)
      if (f.usable() && f.first() == base(o) + from) return &f;
    return nullptr;
  }

  void choose_scale(std::size_t o, std::span<const double> w) {
    if (r_.bits == 4) {
      const step_search search(w, std::span(power_).subspan(base(o), depth_), group_);
      r_.scale[o] = search.run({r_.steps.data() + o * groups_, groups_});
    } else {
      double top = 0;
      for (const double v : w) top = std::max(top, std::abs(v));
      r_.scale[o] = static_cast<float>(top / 127);
    }
    r_.scale[o] = std::max(r_.scale[o], least_[o]);
  }

  std::vector<double> steps(std::size_t o) const {
    std::vector<double> step(depth_);
    for (std::size_t k = 0; k < depth_; ++k)
      step[k] = static_cast<double>(r_.scale[o]) *
                (r_.bits == 4 ? r_.steps[o * groups_ + (group_ == 0 ? 0 : k / group_)] : 1);
    return step;
  }

  /// Rounds with several scales and keeps what leaves the least error in the output. A row of several blocks is rounded
  /// once: the blocks' errors do not add up to the row's, and such layers take most of the time.
  void round_best(std::size_t o, std::span<const double> w) {
    const std::span<std::int8_t> codes(r_.codes.data() + o * depth_, depth_);
    const float first = r_.scale[o];
    double least = round(o, w);
    if (r_.bits != 4 || depth_ > moment_block || form_of(o, 0) == nullptr) return;
    std::vector<std::int8_t> best(codes.begin(), codes.end());
    float scale = r_.scale[o];
    for (const double factor : other_scales) {
      r_.scale[o] = std::max(static_cast<float>(static_cast<double>(first) * factor), least_[o]);
      const double error = round(o, w);
      if (!(error < least)) continue;
      least = error, scale = r_.scale[o];
      best.assign(codes.begin(), codes.end());
    }
    r_.scale[o] = scale;
    std::copy(best.begin(), best.end(), codes.begin());
  }

  /// Returns the error in the output as the moments count it, block by block; 0 without them.
  double round(std::size_t o, std::span<const double> w) {
    double error = 0;
    const std::span<std::int8_t> codes(r_.codes.data() + o * depth_, depth_);
    std::vector<double> step = steps(o);
    for (std::size_t k = 0; k < depth_; ++k)
      codes[k] = static_cast<std::int8_t>(std::clamp(std::nearbyint(w[k] / step[k]), low_, high_));
    std::vector<moment_form::row_products> products;  // by block
    for (std::size_t turn = 0; turn < 2; ++turn) {
      moment_form::products sum;
      std::size_t at = 0;
      error = 0;
      for (std::size_t from = 0; from < depth_; from += moment_block) {
        const moment_form* const form = form_of(o, from);
        if (form == nullptr) continue;
        const std::size_t n = form->size();
        const auto part = w.subspan(from, n), by = std::span<const double>(step).subspan(from, n);
        if (turn == 0) {
          form->round(part, by, low_, high_, codes.subspan(from, n));
          products.push_back(form->start(part, by, codes.subspan(from, n)));
        }
        moment_form::row_products& now = products[at++];
        form->descend(part, by, low_, high_, 8, codes.subspan(from, n), now.slope);
        std::vector<double> q(n);
        for (std::size_t k = 0; k < n; ++k) q[k] = codes[from + k] * by[k];
        for (std::size_t k = 0; k < n; ++k) error += (q[k] - part[k]) * now.slope[k];
        const auto p = moment_form::overlap(q, now);
        sum.with_w += p.with_w, sum.with_q += p.with_q;
      }
      const double factor = sum.with_q > 0 ? sum.with_w / sum.with_q : 1.0;
      if (turn == 1 || r_.bits != 4 || !(factor > 0.5 && factor < 2.0)) break;
      const auto before = static_cast<double>(r_.scale[o]);
      r_.scale[o] = std::max(static_cast<float>(before * factor), least_[o]);
      for (auto& p : products) moment_form::scale_steps(p, static_cast<double>(r_.scale[o]) / before);
      step = steps(o);
    }
    return error;
  }

  const weight_layer& l_;
  const layer_inputs& in_;
  const rounding_options& options_;
  std::span<const float> least_;
  std::size_t depth_, out_, group_ = 0, groups_ = 1;
  double low_ = 0, high_ = 0;
  std::vector<double> power_;
  std::vector<moment_form> forms_;
  std::optional<moment_form> wide_;  // of the group at hand, with more damping
  rounded_layer r_;
};

}  // namespace quantize_impl

/// Rounds the weights of a layer so that, on what it reads in the quantized model, it comes nearest to what the fp32
/// model gives.
///
/// least  per channel, the smallest scale that the requantization of its result can express.
/// Cost: depth^3 / 6 per moment block once, a few depth^2 per channel; nothing but depth per channel without moments.
inline rounded_layer round_layer(const weight_layer& l, const layer_inputs& in, const rounding_options& options,
                                 std::span<const float> least) {
  return quantize_impl::layer_rounder(l, in, options, least).run();
}

}  // namespace dsmm::inline DSMM_ABI::convert
