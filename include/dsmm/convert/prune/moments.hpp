// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/rng.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// Output positions of a layer that are looked at in one sample: evenly spread from a start that layer and sample
/// choose, so that a later pass finds the same ones.
class position_choice {
public:
  /// in_all  positions wanted over all samples.
  position_choice(std::int64_t positions, std::size_t samples, std::int64_t in_all, std::size_t layer) noexcept
      : positions_(positions),
        layer_(layer),
        count_(std::clamp<std::int64_t>(in_all / static_cast<std::int64_t>(samples), 1, positions)) {}

  std::int64_t count() const noexcept { return count_; }
  std::int64_t at(std::size_t sample, std::int64_t i) const noexcept {
    if (count_ == positions_) return i;
    const std::uint32_t start = rng(layer_).stream(sample).below(static_cast<std::uint32_t>(positions_));
    return (i * positions_ / count_ + start) % positions_;
  }

private:
  std::int64_t positions_;
  std::size_t layer_;
  std::int64_t count_;
};

/// Means and second moments of the columns of a layer's group, and their products with rows of another kind.
class moments {
public:
  moments() = default;
  /// full  keep all products of two columns; else only squares. cross  values per row that are correlated with columns.
  moments(std::size_t columns, bool full, std::size_t cross = 0)
      : n_(columns),
        full_(full),
        mean_(columns, 0.0),
        second_(full ? columns * columns : columns, 0.0),
        cross_mean_(cross, 0.0),
        cross_(cross * columns, 0.0) {}

  void add(std::span<const float> x, std::span<const float> r = {}) {
    row_.assign(x.begin(), x.end());
    for (std::size_t i = 0; i < n_; ++i) {
      const double v = row_[i];
      if (v == 0.0) continue;  // after a ReLU, often
      mean_[i] += v;
      if (!full_) {
        second_[i] += v * v;
        continue;
      }
      double* const to = second_.data() + i * n_;
      for (std::size_t j = 0; j <= i; ++j) to[j] += v * row_[j];
    }
    for (std::size_t o = 0; o < cross_mean_.size(); ++o) {
      const auto v = static_cast<double>(r[o]);
      cross_mean_[o] += v;
      double* const to = cross_.data() + o * n_;
      for (std::size_t j = 0; j < n_; ++j) to[j] += v * row_[j];
    }
    ++count_;
  }

  bool full() const noexcept { return full_; }
  std::size_t columns() const noexcept { return n_; }
  std::size_t count() const noexcept { return count_; }
  double mean(std::size_t i) const noexcept { return mean_[i] / static_cast<double>(count_); }
  double cross_mean(std::size_t o) const noexcept { return cross_mean_[o] / static_cast<double>(count_); }

  /// Covariance of two columns (i >= j where full), or the variance of one.
  double covariance(std::size_t i, std::size_t j) const noexcept {
    const double s = full_ ? second_[std::max(i, j) * n_ + std::min(i, j)] : second_[i];
    return s / static_cast<double>(count_) - mean(i) * mean(j);
  }
  double cross_covariance(std::size_t o, std::size_t j) const noexcept {
    return cross_[o * n_ + j] / static_cast<double>(count_) - cross_mean(o) * mean(j);
  }
  double mean_variance() const noexcept {
    double sum = 0;
    for (std::size_t i = 0; i < n_; ++i) sum += covariance(i, i);
    return n_ == 0 ? 0.0 : sum / static_cast<double>(n_);
  }

private:
  std::size_t n_ = 0;
  bool full_ = false;
  std::size_t count_ = 0;
  std::vector<double> mean_, second_, cross_mean_, cross_, row_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
