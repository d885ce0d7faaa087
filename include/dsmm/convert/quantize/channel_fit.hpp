// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/add_products.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"
#include "dsmm/convert/quantize/layer_targets.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// Some channels of a layer, of one group, against their targets, over all rows of the inputs. What a ReLU cuts off
/// counts nothing: where the target is below zero, only what rises above it is an error. That is convex, and its
/// curvature is at most that of the plain square, so steps by the inverse second moments only go down. No channel
/// depends on the others; they share what is read.
class channel_fit {
public:
  channel_fit(const weight_layer& l, const layer_inputs& in, std::size_t first, std::size_t count)
      : relu_(l.relu), in_(in), first_(first), depth_(l.depth()),
        base_(first / (l.channels() / static_cast<std::size_t>(l.groups)) * l.depth()), bias_(count),
        z_(count * in.count()), error_(count * in.count()) {
    std::copy_n(l.bias.begin() + static_cast<std::ptrdiff_t>(first), count, bias_.begin());
  }

  std::size_t channels() const noexcept { return bias_.size(); }

  /// w  (channels(), depth): sets the results of these weights, without bias.
  void weights(std::span<const float> w) {
    constexpr std::size_t block = 16;  // rows that stay in the second cache
    for (std::size_t begin = 0; begin < in_.count(); begin += block)
      for (std::size_t c = 0; c < channels(); ++c)
        for (std::size_t i = begin; i < std::min(begin + block, in_.count()); ++i)
          z_[c * in_.count() + i] = row_dot(w.data() + c * depth_, in_.row(i).data() + base_, depth_);
  }

  /// Moves the bias of channel c to the least error of the results, in Newton steps: only rows that count share the
  /// error.
  float fit_bias(std::size_t c) {
    for (std::size_t step = 0; step < 12; ++step) {
      const seen_errors seen = look(c);
      if (seen.active == 0) break;
      bias_[c] += static_cast<float>(seen.sum / static_cast<double>(seen.active));
    }
    return bias_[c];
  }

  /// Sums of error times column, as the moments count them: (channels(), depth).
  std::vector<double> pull() {
    const std::size_t n = in_.count();
    for (std::size_t c = 0; c < channels(); ++c) look(c);
    std::vector<float> sums(channels() * depth_);
    std::vector<double> out(channels() * depth_, 0.0);
    std::vector<float*> to(channels());
    std::vector<const float*> by(channels()), rows;
    for (std::size_t s = 0; s < in_.starts().size(); ++s) {
      const std::size_t first = in_.starts()[s], last = s + 1 < in_.starts().size() ? in_.starts()[s + 1] : n;
      std::fill(sums.begin(), sums.end(), 0.0f);
      rows.clear();
      for (std::size_t i = first; i < last; ++i) rows.push_back(in_.row(i).data() + base_);
      for (std::size_t c = 0; c < channels(); ++c) {
        to[c] = sums.data() + c * depth_;
        by[c] = error_.data() + c * n + first;
      }
      add_products<float>(to, by, rows, depth_);
      for (std::size_t c = 0; c < channels(); ++c) {
        double all = 0;
        for (std::size_t i = first; i < last; ++i) all += static_cast<double>(error_[c * n + i]);
        const double weight = sample_weight * all / static_cast<double>(std::max<std::size_t>(last - first, 1));
        for (std::size_t k = 0; k < depth_; ++k)
          out[c * depth_ + k] += static_cast<double>(sums[c * depth_ + k]) +
                                 weight * static_cast<double>(in_.sum(s)[base_ + k]);
      }
    }
    return out;
  }

private:
  struct seen_errors {
    double sum = 0;
    std::size_t active = 0;
  };

  /// Errors of the results of a channel.
  seen_errors look(std::size_t c) {
    seen_errors seen;
    for (std::size_t i = 0; i < in_.count(); ++i) {
      const float t = in_.target(i, first_ + c), z = z_[c * in_.count() + i] + bias_[c];
      const float error = !relu_ || t > 0 ? t - z : -std::max(z, 0.0f);
      error_[c * in_.count() + i] = error;
      if (!relu_ || t > 0 || z > 0) ++seen.active;
      seen.sum += static_cast<double>(error);
    }
    return seen;
  }

  bool relu_;
  const layer_inputs& in_;
  std::size_t first_, depth_, base_;
  std::vector<float> bias_, z_, error_;  // z_, error_: (channels, rows)
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
