// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"
#include "dsmm/convert/quantize/layer_targets.hpp"
#include "dsmm/convert/quantize/moment_form.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// One channel of a layer against its targets, over all rows of the inputs. What a ReLU cuts off counts nothing: where
/// the target is below zero, only what rises above it is an error. That is convex, and its curvature is at most that of
/// the plain square, so steps by the inverse second moments only go down.
class channel_fit {
public:
  channel_fit(const weight_layer& l, const layer_inputs& in, std::size_t channel)
      : relu_(l.relu), in_(in), channel_(channel), depth_(l.depth()),
        base_(channel / (l.channels() / static_cast<std::size_t>(l.groups)) * l.depth()), bias_(l.bias[channel]),
        z_(in.count()), error_(in.count()) {}

  /// The results of these weights, without bias.
  void weights(std::span<const float> w) {
    for (std::size_t i = 0; i < z_.size(); ++i) z_[i] = row_dot(w.data(), in_.row(i).data() + base_, depth_);
  }

  /// Moves the bias to the least error of the results, in Newton steps: only rows that count share the error.
  float fit_bias() {
    for (std::size_t step = 0; step < 12; ++step) {
      const double sum = look();
      if (active_ == 0) break;
      bias_ += static_cast<float>(sum / static_cast<double>(active_));
    }
    return bias_;
  }

  /// Sums of error times column, as the moments count them.
  std::vector<double> pull() {
    look();
    std::vector<float> sum(depth_, 0.0f), mean(depth_);
    std::vector<double> out(depth_, 0.0);
    for (std::size_t s = 0; s < in_.starts().size(); ++s) {
      const std::size_t first = in_.starts()[s];
      const std::size_t last = s + 1 < in_.starts().size() ? in_.starts()[s + 1] : z_.size();
      std::fill(sum.begin(), sum.end(), 0.0f);
      std::fill(mean.begin(), mean.end(), 0.0f);
      double all = 0;
      for (std::size_t i = first; i < last; ++i) {
        const float* const x = in_.row(i).data() + base_;
        const float e = error_[i];
        for (std::size_t k = 0; k < depth_; ++k) sum[k] += e * x[k], mean[k] += x[k];
        all += static_cast<double>(e);
      }
      const double weight = sample_weight * all / static_cast<double>(std::max<std::size_t>(last - first, 1));
      for (std::size_t k = 0; k < depth_; ++k)
        out[k] += static_cast<double>(sum[k]) + weight * static_cast<double>(mean[k]);
    }
    return out;
  }

private:
  /// Errors of the results; returns their sum.
  double look() {
    double sum = 0;
    active_ = 0;
    for (std::size_t i = 0; i < z_.size(); ++i) {
      const float t = in_.target(i, channel_), z = z_[i] + bias_;
      error_[i] = !relu_ || t > 0 ? t - z : -std::max(z, 0.0f);
      if (!relu_ || t > 0 || z > 0) ++active_;
      sum += static_cast<double>(error_[i]);
    }
    return sum;
  }

  bool relu_;
  const layer_inputs& in_;
  std::size_t channel_, depth_, base_, active_ = 0;
  float bias_;
  std::vector<float> z_, error_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
