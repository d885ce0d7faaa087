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
           std::size_t positions) {
    std::vector<double> sum(columns_, 0.0);
    const std::size_t before = count();
    sampled_.each(l, x, sample, positions, [&](std::span<const float> rows, std::size_t count) {
      rows_.insert(rows_.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count * columns_));
      for (std::size_t b = 0; b < count; ++b)
        for (std::size_t k = 0; k < columns_; ++k) sum[k] += static_cast<double>(rows[b * columns_ + k]);
      for (moment_matrix& m : moments_) add(m, rows);
    });
    targets_.insert(targets_.end(), targets.begin(), targets.end());
    starts_.push_back(before);
    if (moments_.empty() || count() == before) return;
    const double weight = std::sqrt(sample_weight / static_cast<double>(count() - before));
    std::vector<float> mean(4 * columns_, 0.0f);
    for (std::size_t k = 0; k < columns_; ++k) mean[k] = static_cast<float>(sum[k] * weight);
    for (moment_matrix& m : moments_) add(m, mean);
  }

  std::size_t count() const noexcept { return rows_.size() / columns_; }
  std::size_t columns() const noexcept { return columns_; }
  std::span<const float> row(std::size_t i) const noexcept { return std::span(rows_).subspan(i * columns_, columns_); }
  float target(std::size_t i, std::size_t channel) const noexcept { return targets_[i * channels_ + channel]; }
  std::span<const moment_matrix> moments() const noexcept { return moments_; }
  std::span<const std::size_t> starts() const noexcept { return starts_; }  ///< first row of each sample

private:
  void add(moment_matrix& m, std::span<const float> rows) const {
    const float* const a = rows.data() + m.first;
    const float *const b = a + columns_, *const c = b + columns_, *const d = c + columns_;
    for (std::size_t i = 0; i < m.n; ++i) {
      const auto ai = static_cast<double>(a[i]), bi = static_cast<double>(b[i]), ci = static_cast<double>(c[i]),
                 di = static_cast<double>(d[i]);
      if (ai == 0 && bi == 0 && ci == 0 && di == 0) continue;  // after a ReLU, often
      double* const to = m.m.data() + i * m.n;
      for (std::size_t j = 0; j <= i; ++j)
        to[j] += (ai * static_cast<double>(a[j]) + bi * static_cast<double>(b[j])) +
                 (ci * static_cast<double>(c[j]) + di * static_cast<double>(d[j]));
    }
  }

  sampled_columns sampled_;
  std::size_t columns_, channels_;
  std::vector<float> rows_, targets_;
  std::vector<std::size_t> starts_;
  std::vector<moment_matrix> moments_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
