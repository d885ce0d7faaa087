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
#include "dsmm/convert/quantize/add_products.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// How the error of a row of weights becomes error of its output: e^T H e, H a block of second moments, damped by a
/// share of their mean power.
class moment_form {
public:
  moment_form(const moment_matrix& from, double damping)
      : first_(from.first), order_(from.n), h_(from.n * from.n), l_(from.n * from.n) {
    const std::size_t n = from.n;
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) h_[i * n + j] = h_[j * n + i] = from.m[i * n + j];
    for (std::size_t k = 0; k < n; ++k) mean += h_[k * n + k] / static_cast<double>(n);
    for (std::size_t k = 0; k < n; ++k) h_[k * n + k] += damping * mean + 1e-12;
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return h_[a * n + a] < h_[b * n + b]; });
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) l_[i * n + j] = h_[order_[i] * n + order_[j]];
    if (cholesky(l_, n)) mirror(l_, n);
    else l_.clear();
  }

  std::size_t first() const noexcept { return first_; }
  std::size_t size() const noexcept { return order_.size(); }
  bool usable() const noexcept { return !l_.empty(); }  ///< it could be factored

  /// H^-1 b for several b, in place: (count, size()).
  void solve(std::span<double> b, std::size_t count) const {
    std::vector<double> x(b.size());
    for (std::size_t at = 0; at < b.size(); ++at) x[at] = b[at / size() * size() + order_[at % size()]];
    cholesky_solve(l_, size(), x, count);
    for (std::size_t at = 0; at < b.size(); ++at) b[at / size() * size() + order_[at % size()]] = x[at];
  }

  /// A row of weights, the steps of its columns, and where its codes are.
  struct row {
    std::span<const double> w, step;
    std::span<std::int8_t> codes;
  };

  /// Rounds rows, the loudest column first: each takes over the error that those before it left (Babai's nearest
  /// plane; the same integers as GPTQ's). A weight of zero was pruned and stays zero: kernels leave out blocks of them.
  /// Errors reach the columns far off several at a time, which changes no sum's order.
  void round(std::span<const row> rows, double low, double high) const {
    const std::size_t n = size();
    std::vector<double> carried(rows.size() * n, 0.0), errors(rows.size() * together);
    std::vector<double*> far;
    std::vector<const double*> by;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      far.push_back(carried.data() + r * n);
      by.push_back(errors.data() + r * together);
    }
    for (std::size_t end = n; end > 0;) {
      const std::size_t first = end > together ? end - together : 0;
      std::vector<const double*> columns;
      for (std::size_t i = end; i-- > first;) {
        const double* const column = l_.data() + i * n;
        for (std::size_t r = 0; r < rows.size(); ++r) {
          const double error = round_one(rows[r], i, far[r][i] / column[i], low, high);
          errors[r * together + columns.size()] = error;
          add_scaled(far[r] + first, column + first, error, i - first);
        }
        columns.push_back(column);
      }
      add_products<double>(far, by, columns, first);
      end = first;
    }
  }

  /// H v for several v, in one pass over H, which is larger than the second cache: reading it is what takes the time.
  /// out  as many rows of zeros.
  void multiply(std::span<const double* const> v, std::span<double* const> out) const {
    std::vector<const double*> columns;
    for (std::size_t k = 0; k < size(); ++k) columns.push_back(h_.data() + k * size());
    add_products<double>(out, v, columns, size());
  }

  /// Moves codes one by one to the values of least error while the others stay, until none moves or `sweeps` are over.
  /// `slope`, H (q - w) for the q that the codes stand for, follows. Cost: n per sweep and n per move.
  void descend(const row& of, double low, double high, std::size_t sweeps, std::span<double> slope) const {
    const std::size_t n = size();
    std::vector<double> idle(n);  // slopes that surely move nothing, told without a division
    for (std::size_t k = 0; k < n; ++k)
      idle[k] = of.w[k] == 0.0 ? std::numeric_limits<double>::infinity() : 0.499999 * (h_[k * n + k] * of.step[k]);
    for (bool moved = true; moved && sweeps > 0; --sweeps) {
      moved = false;
      for (std::size_t i = n; i-- > 0;) {
        const std::size_t k = order_[i];
        if (!(std::abs(slope[k]) >= idle[k])) continue;
        const double best = of.codes[k] - slope[k] / (h_[k * n + k] * of.step[k]);
        const double code = std::clamp(std::nearbyint(best), low, high);
        if (code == static_cast<double>(of.codes[k]) || std::abs(best - of.codes[k]) < 0.5 + 1e-9) continue;
        const double by = (code - of.codes[k]) * of.step[k];
        of.codes[k] = static_cast<std::int8_t>(code);
        add_scaled(slope.data(), h_.data() + k * n, by, n);
        moved = true;
      }
    }
  }

  /// q^T H w and q^T H q, whose ratio is the factor that suits q best.
  struct products {
    double with_w = 0, with_q = 0;
  };
  /// of_w, slope  H w and H (q - w)
  static products overlap(std::span<const double> q, std::span<const double> of_w,
                          std::span<const double> slope) noexcept {
    products p;
    for (std::size_t k = 0; k < q.size(); ++k) {
      p.with_w += q[k] * of_w[k];
      p.with_q += q[k] * (slope[k] + of_w[k]);
    }
    return p;
  }

  /// What the slope is once all steps have become `factor` times as large.
  static void scale_steps(std::span<const double> of_w, std::span<double> slope, double factor) noexcept {
    for (std::size_t k = 0; k < slope.size(); ++k) slope[k] = factor * (slope[k] + of_w[k]) - of_w[k];
  }

private:
  static constexpr std::size_t together = 16;  // columns whose errors are carried on at once

  /// The column that is i-th in power; returns the error that its code leaves.
  double round_one(const row& of, std::size_t i, double carried, double low, double high) const {
    const std::size_t k = order_[i];
    const double w = of.w[k], step = of.step[k];
    const double code = w == 0.0 ? 0.0 : std::clamp(std::nearbyint((w + carried) / step), low, high);
    of.codes[k] = static_cast<std::int8_t>(code);
    return w - code * step;
  }

  std::size_t first_;
  std::vector<std::size_t> order_;  // columns by power, weakest first
  std::vector<double> h_;           // (n, n)
  std::vector<double> l_;           // its factor, in that order, mirrored
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
