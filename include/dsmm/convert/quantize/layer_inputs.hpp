// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/core/rng.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Second moments are kept in diagonal blocks of this many columns: a multiple of every group, and small enough that
/// factoring one takes about a second (0.5 Gflop).
inline constexpr std::size_t moment_block = 1152;
inline constexpr std::size_t kept_positions = 192;  ///< by which the error of a layer is measured

/// Symmetric (n, n), the lower triangle, row by row.
struct moment_matrix {
  std::size_t first = 0, n = 0;  ///< of the columns
  std::vector<double> m{};
};

/// What the inputs of a layer look like, column by column of its im2col matrix: means, second moments, and some
/// positions as they were.
class layer_inputs {
public:
  /// second_order  collect moments; depthwise layers never do, their nine columns are not worth it.
  layer_inputs(const weight_layer& l, bool second_order, std::uint64_t seed) : random_(seed) {
    const auto groups = static_cast<std::size_t>(l.groups);
    mean_.assign(groups * l.depth(), 0.0);
    if (!second_order || l.kind == op_kind::dwconv2d) return;
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t first = 0; first < l.depth(); first += moment_block) {
        const std::size_t n = std::min(moment_block, l.depth() - first);
        moments_.push_back({g * l.depth() + first, n, std::vector<double>(n * n, 0.0)});
      }
  }

  /// x  the plain input of the layer for one sample. Looks at `positions` pixels of the output, a new choice each time.
  void see(const weight_layer& l, std::span<const float> x, std::size_t positions, std::size_t keep) {
    const auto width = static_cast<std::size_t>(l.to.shape.w), all = static_cast<std::size_t>(l.to.shape.h) * width;
    const std::size_t n = std::min(positions, all);
    const std::size_t phase = random_.below(static_cast<std::uint32_t>(all / n + 1));
    const std::size_t columns = mean_.size();
    std::vector<float> rows(4 * columns);
    for (std::size_t i = 0; i < n; i += 4) {
      const std::size_t batch = std::min<std::size_t>(4, n - i);
      std::fill(rows.begin(), rows.end(), 0.0f);
      for (std::size_t b = 0; b < batch; ++b) {
        const std::size_t at = ((i + b) * all / n + phase) % all;
        const std::span<float> row(rows.data() + b * columns, columns);
        gather(l, x, static_cast<std::int64_t>(at / width), static_cast<std::int64_t>(at % width), row);
        for (std::size_t k = 0; k < columns; ++k) mean_[k] += static_cast<double>(row[k]);
        if (kept_.size() < kept_positions * columns && i + b < keep) kept_.insert(kept_.end(), row.begin(), row.end());
      }
      for (moment_matrix& m : moments_) add(m, rows, columns);
      count_ += batch;
    }
  }

  std::size_t count() const noexcept { return count_; }
  double mean(std::size_t column) const noexcept {
    return count_ == 0 ? 0.0 : mean_[column] / static_cast<double>(count_);
  }
  std::span<const moment_matrix> moments() const noexcept { return moments_; }
  std::span<const float> kept() const noexcept { return kept_; }
  std::size_t columns() const noexcept { return mean_.size(); }

private:
  /// The column values under the kernel at output (oh, ow), group after group; 0 outside the image.
  static void gather(const weight_layer& l, std::span<const float> x, std::int64_t oh, std::int64_t ow,
                     std::span<float> row) {
    const std::int64_t per_group = l.from.shape.c / l.groups;
    std::size_t k = 0;
    for (std::int64_t g = 0; g < l.groups; ++g)
      for (std::int64_t kh = 0; kh < l.kernel_h; ++kh)
        for (std::int64_t kw = 0; kw < l.kernel_w; ++kw) {
          const std::int64_t h = oh * l.stride_h - l.top + kh * l.dilation_h;
          const std::int64_t w = ow * l.stride_w - l.left + kw * l.dilation_w;
          if (h < 0 || h >= l.from.shape.h || w < 0 || w >= l.from.shape.w) {
            k += static_cast<std::size_t>(per_group);
            continue;
          }
          const std::int64_t at = h * l.x_strides[0] + w * l.x_strides[1] + g * per_group * l.x_strides[2];
          for (std::int64_t c = 0; c < per_group; ++c)
            row[k++] = x[static_cast<std::size_t>(at + c * l.x_strides[2])];
        }
  }

  static void add(moment_matrix& m, const std::vector<float>& rows, std::size_t columns) {
    const float* const a = rows.data() + m.first;
    const float *const b = a + columns, *const c = b + columns, *const d = c + columns;
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

  std::vector<double> mean_;
  std::vector<moment_matrix> moments_;
  std::vector<float> kept_;
  std::size_t count_ = 0;
  rng random_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
