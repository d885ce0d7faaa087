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
#include "dsmm/convert/quantize/row_attempts.hpp"
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
      make_forms(first);
      options_.exec.each(static_cast<std::uint32_t>((out_ + run - 1) / run), [&](std::uint32_t t) {
        const std::size_t begin = first + t * run, end = std::min(begin + run, first + out_);
        channels(begin, end - begin, std::span(error).subspan(begin * depth_, (end - begin) * depth_));
      });
    }
    measure(l_, in_, error, r_);
    return std::move(r_);
  }

private:
  /// Some rows of one group, whatever the others are.
  void channels(std::size_t first, std::size_t count, std::span<float> error) {
    channel_fit fit(l_, in_, first, count);
    const std::vector<double> w = wanted(first, fit);
    for (std::size_t c = 0; c < count; ++c) choose_scale(first + c, std::span(w).subspan(c * depth_, depth_));
    round(first, count, w);
    std::vector<float> real(count * depth_);
    for (std::size_t at = 0; at < real.size(); ++at) {
      const double value = r_.codes[first * depth_ + at] * step(first + at / depth_, at % depth_);
      real[at] = static_cast<float>(value);
      error[at] = static_cast<float>(value - w[at]);
    }
    if (!options_.correct_bias) return;
    fit.weights(real);
    for (std::size_t c = 0; c < count; ++c) r_.bias[first + c] = fit.fit_bias(c);
  }

  /// Makes the forms by which the channels of a group are rounded, block by block, and the one by which they are
  /// corrected, if there is one. Forms are shared out: each has a matrix to be factored.
  void make_forms(std::size_t first) {
    const std::size_t blocks = in_.moments().empty() ? 0 : (depth_ + moment_block - 1) / moment_block;
    const auto moments = in_.moments().subspan(first / out_ * blocks, blocks);
    const bool second_order = options_.second_order && blocks > 0;
    forms_.assign(second_order ? blocks : 0, std::nullopt);
    wide_.reset();
    const bool corrects = second_order && blocks == 1 && in_.count() > depth_;
    options_.exec.each(static_cast<std::uint32_t>(forms_.size() + (corrects ? 1 : 0)), [&](std::uint32_t i) {
      if (i < forms_.size()) forms_[i].emplace(moments[i], 0.01);
      else wide_.emplace(moments[0], correction_damping);
    });
    usable_.clear();
    for (const auto& f : forms_) usable_.push_back(f->usable() ? &*f : nullptr);
    if (blocks == 1 && !usable_.empty() && usable_[0] == nullptr) wide_.reset();
  }

  std::size_t base(std::size_t o) const { return o / out_ * depth_; }

  /// The weights that come nearest to the target on the inputs as they are: the model's own and what makes up for the
  /// noise before the layer. (fit.channels(), depth)
  std::vector<double> wanted(std::size_t first, channel_fit& fit) const {
    const auto from = l_.w.begin() + static_cast<std::ptrdiff_t>(first * depth_);
    std::vector<float> now(from, from + static_cast<std::ptrdiff_t>(fit.channels() * depth_));
    for (std::size_t turn = 0; turn < 3 && wide_ && wide_->usable(); ++turn) {
      fit.weights(now);
      for (std::size_t c = 0; c < fit.channels() && options_.correct_bias; ++c) fit.fit_bias(c);
      std::vector<double> more = fit.pull();
      wide_->solve(more, fit.channels());
      for (std::size_t k = 0; k < now.size(); ++k)
        if (now[k] != 0.0f) now[k] += static_cast<float>(more[k]);
    }
    return {now.begin(), now.end()};
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

  std::span<const std::uint8_t> steps(std::size_t o) const {
    return r_.bits == 4 ? std::span(r_.steps).subspan(o * groups_, groups_) : std::span<const std::uint8_t>{};
  }

  double step(std::size_t o, std::size_t k) const { return row_attempt{{}, steps(o), group_, r_.scale[o]}.step(k); }

  /// Rounds with several scales and keeps what leaves the least error in the output. Rows of several blocks are rounded
  /// once: the blocks' errors do not add up to the row's, and such layers take most of the time.
  void round(std::size_t first, std::size_t count, std::span<const double> w) {
    const bool several = r_.bits == 4 && usable_.size() == 1 && usable_[0] != nullptr;
    std::vector<row_attempt> rows;
    for (std::size_t o = first; o < first + count; ++o) {
      rows.push_back({w.subspan((o - first) * depth_, depth_), steps(o), group_, r_.scale[o], least_[o]});
      for (std::size_t k = 0; several && k < other_scales.size(); ++k) {
        rows.push_back(rows.back());
        const double scale = static_cast<double>(r_.scale[o]) * other_scales[k];
        rows.back().scale = std::max(static_cast<float>(scale), least_[o]);
      }
    }
    row_attempts(rows, usable_, low_, high_).run(r_.bits == 4);
    const std::size_t each = rows.size() / count;
    for (std::size_t o = first; o < first + count; ++o) {
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>((o - first) * each);
      const auto best = std::min_element(begin, begin + static_cast<std::ptrdiff_t>(each),
                                         [](const row_attempt& a, const row_attempt& b) { return a.error < b.error; });
      r_.scale[o] = best->scale;
      std::copy(best->codes.begin(), best->codes.end(), r_.codes.begin() + static_cast<std::ptrdiff_t>(o * depth_));
    }
  }

  const weight_layer& l_;
  const layer_inputs& in_;
  const rounding_options& options_;
  std::span<const float> least_;
  std::size_t depth_, out_, group_ = 0, groups_ = 1;
  double low_ = 0, high_ = 0;
  std::vector<double> power_;
  std::vector<std::optional<moment_form>> forms_;  // of the group at hand, by block
  std::vector<const moment_form*> usable_;         // the same; nullptr: it cannot be factored
  std::optional<moment_form> wide_;                // of the group at hand, with more damping
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
