// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/kernels/math.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// How the u8 range of an activation follows from what calibration saw.
enum class range_method : std::uint8_t {
  percentile,  ///< the values between two quantiles
  mse,         ///< least squared error
  entropy,     ///< least Kullback-Leibler divergence of 256 levels from the histogram
  output,      ///< least noise in the outputs of the model: tune_grids() starts from the whole range
};

/// Keeps a sample of the values of one activation: evenly spaced ones of each run, and its extremes.
class range_observer {
public:
  /// per_run  values kept per run; the whole stays below runs * (per_run + 2).
  void see(std::span<const float> values, std::size_t per_run) {
    float low = std::numeric_limits<float>::max(), high = -low;
    for (const float v : values) {
      if (!std::isfinite(v)) {
        broken_ = true;
        continue;
      }
      low = std::min(low, v);
      high = std::max(high, v);
    }
    if (low > high) return;
    kept_.push_back(low);
    kept_.push_back(high);
    const std::size_t step = std::max<std::size_t>(1, values.size() / std::max<std::size_t>(per_run, 1)) | 1;
    for (std::size_t i = step / 2; i < values.size(); i += step)  // odd steps do not beat with even row lengths
      if (std::isfinite(values[i])) kept_.push_back(values[i]);
  }
  bool broken() const noexcept { return broken_; }  ///< it saw an infinity or NaN
  const std::vector<float>& kept() const noexcept { return kept_; }

private:
  std::vector<float> kept_;
  bool broken_ = false;
};

namespace quantize_impl {

/// The u8 grid of [low, high], which is widened to hold 0; 0 is always exact, so that padding is.
inline quantization grid_of(double low, double high) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  if (high - low < 1e-8) return {1e-4f, low < 0 ? 128 : 0};
  const auto scale = static_cast<float>((high - low) / 255.0);
  const auto zero = static_cast<std::int32_t>(std::floor(-low / static_cast<double>(scale) + 0.5));
  return {scale, std::clamp(zero, 0, 255)};
}

inline double squared_error(std::span<const float> values, quantization q) {
  const float inverse = 1.0f / q.scale, offset = static_cast<float>(q.zero_point) + 0.5f;
  const auto zero = static_cast<float>(q.zero_point);
  double total = 0;
  for (const float v : values) {
    const float level = std::clamp(std::floor(v * inverse + offset), 0.0f, 255.0f);
    const float e = (level - zero) * q.scale - v;
    total += static_cast<double>(e * e);
  }
  return total;
}

inline constexpr std::array<double, 14> clips{1.0, 0.95, 0.9,  0.85, 0.8, 0.75, 0.7,
                                              0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3};

inline quantization least_squares(std::span<const float> v, double low, double high) {
  quantization best = grid_of(low, high);
  double least = squared_error(v, best);
  const auto attempt = [&](double a, double b) {
    const quantization q = grid_of(low * a, high * b);
    const double error = squared_error(v, q);
    if (error < least) least = error, best = q;
    return error;
  };
  double best_b = 1.0, best_error = least;
  for (const double b : clips)
    if (const double e = attempt(1.0, b); e < best_error) best_error = e, best_b = b;
  if (low < 0)
    for (const double a : clips) attempt(a, best_b);
  return best;
}

/// Kullback-Leibler divergence of the values from what 256 levels make of them, both as histograms.
inline double divergence(std::span<const double> histogram, std::size_t first, std::size_t last) {
  std::vector<double> p(histogram.begin() + static_cast<std::ptrdiff_t>(first),
                        histogram.begin() + static_cast<std::ptrdiff_t>(last));
  for (std::size_t i = 0; i < first; ++i) p.front() += histogram[i];
  for (std::size_t i = last; i < histogram.size(); ++i) p.back() += histogram[i];
  double total = 0, sum = 0;
  for (const double n : p) total += n;
  for (std::size_t level = 0; level < 256; ++level) {
    const std::size_t begin = level * p.size() / 256, end = std::max(begin + 1, (level + 1) * p.size() / 256);
    double mass = 0, filled = 0;
    for (std::size_t i = begin; i < end && i < p.size(); ++i) {
      mass += histogram[first + i];
      filled += p[i] > 0 ? 1.0 : 0.0;
    }
    for (std::size_t i = begin; i < end && i < p.size(); ++i)
      if (p[i] > 0) {  // not the C library's logarithm: its last bit could decide between two ranges
        const auto ratio = static_cast<float>(p[i] / std::max(mass / filled, 1e-9));
        sum += p[i] / total * static_cast<double>(kernels::log(ratio));
      }
  }
  return sum;
}

inline quantization least_divergence(std::span<const float> v, double low, double high) {
  constexpr std::size_t bins = 2048;
  std::vector<double> histogram(bins, 0.0);
  const double width = std::max(high - low, 1e-30) / static_cast<double>(bins);
  for (const float x : v)
    ++histogram[std::min(bins - 1, static_cast<std::size_t>((static_cast<double>(x) - low) / width))];
  const auto zero = static_cast<std::size_t>(std::clamp(-low / width, 0.0, static_cast<double>(bins)));
  double least = std::numeric_limits<double>::max();
  quantization best = grid_of(low, high);
  for (const double clip : clips) {
    const auto first = static_cast<std::size_t>(static_cast<double>(zero) * (1.0 - clip));
    const auto last = zero + static_cast<std::size_t>(static_cast<double>(bins - zero) * clip);
    if (last < first + 256) continue;
    const double d = divergence(histogram, first, last);
    if (d < least) least = d, best = grid_of(low * clip, high * clip);
  }
  return best;
}

}  // namespace quantize_impl

/// The u8 grid for a sample of values, which this sorts. percentile: share of the values inside, in percent.
inline quantization choose_grid(std::vector<float>& values, range_method method, double percentile) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto low = static_cast<double>(values.front()), high = static_cast<double>(values.back());
  std::vector<float> sample;  // the search reads it dozens of times
  const std::size_t step = values.size() / 32768 + 1;
  for (std::size_t i = step / 2; i < values.size(); i += step) sample.push_back(values[i]);
  if (method == range_method::mse) return quantize_impl::least_squares(sample, low, high);
  if (method == range_method::entropy) return quantize_impl::least_divergence(sample, low, high);
  if (method == range_method::output) return quantize_impl::grid_of(low, high);
  const double outside = (1.0 - percentile / 100.0) * static_cast<double>(values.size());
  const auto cut = std::min(values.size() / 2, static_cast<std::size_t>(outside));
  return quantize_impl::grid_of(low < 0 ? static_cast<double>(values[cut]) : 0.0,
                                static_cast<double>(values[values.size() - 1 - cut]));
}

}  // namespace dsmm::inline DSMM_ABI::convert
