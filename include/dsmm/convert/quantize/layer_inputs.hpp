// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/sampled_columns.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/kernels/math_target.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Second moments are kept in diagonal blocks of this many columns: a multiple of every group, and small enough that
/// factoring one takes about a second (0.5 Gflop).
inline constexpr std::size_t moment_block = 1152;

/// How much more the mean of a sample's positions counts than their deviations from it: errors of single pixels cancel
/// in the pools and sums behind, those that a whole picture shares do not.
inline constexpr double sample_weight = 4.0;

/// Symmetric (n, n), the lower triangle, row by row.
struct moment_matrix {
  std::size_t first = 0, n = 0;  ///< of the columns
  std::vector<double> m{};
};

/// What a layer reads in the quantized model, rows of its im2col matrix at the positions of sampled_columns, their
/// second moments, and what the layer gives there in the fp32 model, before its activation.
class layer_inputs {
public:
  /// second_order  collect moments; depthwise layers never do, their nine columns are not worth it.
  layer_inputs(const weight_layer& l, bool second_order, std::uint64_t seed)
      : sampled_(seed), columns_(static_cast<std::size_t>(l.groups) * l.depth()), channels_(l.channels()) {
    if (!second_order || l.kind == op_kind::dwconv2d) return;
    for (std::size_t g = 0; g < static_cast<std::size_t>(l.groups); ++g)
      for (std::size_t first = 0; first < l.depth(); first += moment_block) {
        const std::size_t n = std::min(moment_block, l.depth() - first);
        moments_.push_back({g * l.depth() + first, n, std::vector<double>(n * n, 0.0)});
      }
  }

  /// x        the plain input of the layer for that sample, as the quantized model computes it.
  /// targets  (positions, channels) of the same sample.
  void see(const weight_layer& l, std::span<const float> x, std::size_t sample, std::span<const float> targets,
           std::size_t positions, const executor& exec) {
    const std::vector<float> rows = sampled_.rows(l, x, sample, positions, exec);
    starts_.push_back(count());
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    targets_.insert(targets_.end(), targets.begin(), targets.end());
    sums_.resize(starts_.size() * columns_, 0.0f);
    std::vector<double> sum(columns_, 0.0);
    for (std::size_t at = 0; at < rows.size(); ++at) {
      sums_[(starts_.size() - 1) * columns_ + at % columns_] += rows[at];
      sum[at % columns_] += static_cast<double>(rows[at]);
    }
    const std::size_t n = rows.size() / columns_;
    if (n == 0) return;
    const double weight = std::sqrt(sample_weight / static_cast<double>(n));
    std::vector<float> mean(columns_);
    for (std::size_t k = 0; k < columns_; ++k) mean[k] = static_cast<float>(sum[k] * weight);
    for (moment_matrix& m : moments_) add(m, rows, mean, exec);
  }

  std::size_t count() const noexcept { return rows_.size() / columns_; }
  std::size_t columns() const noexcept { return columns_; }
  std::span<const float> row(std::size_t i) const noexcept { return std::span(rows_).subspan(i * columns_, columns_); }
  float target(std::size_t i, std::size_t channel) const noexcept { return targets_[i * channels_ + channel]; }
  std::span<const moment_matrix> moments() const noexcept { return moments_; }
  std::span<const std::size_t> starts() const noexcept { return starts_; }  ///< first row of each sample
  /// The sum of a sample's rows.
  std::span<const float> sum(std::size_t sample) const noexcept {
    return std::span(sums_).subspan(sample * columns_, columns_);
  }

private:
  /// Rows of the matrix are shared out, some at a time: they stay in the second cache while all rows of the sample
  /// are added, four by four, and then its mean.
  void add(moment_matrix& m, std::span<const float> rows, std::span<const float> mean, const executor& exec) const {
    constexpr std::size_t stripe = 16;
    const std::size_t count = (rows.size() / columns_ + 3) / 4 * 4 + 4;
    std::vector<double> x(count * m.n, 0.0);
    for (std::size_t r = 0; r < rows.size() / columns_; ++r)
      for (std::size_t k = 0; k < m.n; ++k) x[r * m.n + k] = static_cast<double>(rows[r * columns_ + m.first + k]);
    for (std::size_t k = 0; k < m.n; ++k) x[(count - 4) * m.n + k] = static_cast<double>(mean[m.first + k]);
    exec.each(static_cast<std::uint32_t>((m.n + stripe - 1) / stripe), [&](std::uint32_t t) {
      const std::size_t begin = t * stripe, end = std::min(begin + stripe, m.n);
      for (std::size_t r = 0; r < count; r += 4)
        for (std::size_t i = begin; i < end; ++i) add_four_squares(m.m.data() + i * m.n, x.data() + r * m.n, m.n, i);
    });
  }

  /// to[j] += the sum over four rows x of x[i] x[j], j <= i.
  static void add_four_squares(double* to, const double* x, std::size_t n, std::size_t i) noexcept {
    const double *const a = x, *const b = a + n, *const c = b + n, *const d = c + n;
    const double ai = a[i], bi = b[i], ci = c[i], di = d[i];
    if (ai == 0 && bi == 0 && ci == 0 && di == 0) return;  // after a ReLU, often
    kernels::with_avx2([=]() __attribute__((always_inline)) {
      for (std::size_t j = 0; j <= i; ++j) to[j] += (ai * a[j] + bi * b[j]) + (ci * c[j] + di * d[j]);
    });
  }

  sampled_columns sampled_;
  std::size_t columns_, channels_;
  std::vector<float> rows_, targets_, sums_;
  std::vector<std::size_t> starts_;
  std::vector<moment_matrix> moments_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
