// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/cholesky.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"
#include "dsmm/kernels/math_target.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// y += a * x, element by element: the same bits in registers of any width.
inline void add_scaled(double* y, const double* x, double a, std::size_t n) noexcept {
  kernels::with_avx2([=]() __attribute__((always_inline)) {
    for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
  });
}

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

  /// H^-1 b
  std::vector<double> solve(std::span<const double> b) const {
    std::vector<double> x(size()), out(size());
    for (std::size_t i = 0; i < size(); ++i) x[i] = b[order_[i]];
    cholesky_solve(l_, size(), x);
    for (std::size_t i = 0; i < size(); ++i) out[order_[i]] = x[i];
    return out;
  }

  /// Rounds one row, the loudest column first: each takes over the error that those before it left (Babai's nearest
  /// plane; the same integers as GPTQ's). A weight of zero was pruned and stays zero: kernels leave out blocks of them.
  void round(std::span<const double> w, std::span<const double> step, double low, double high,
             std::span<std::int8_t> codes) const {
    const std::size_t n = size();
    std::vector<double> carried(n, 0.0);
    for (std::size_t i = n; i-- > 0;) {
      const double* const row = l_.data() + i * n;
      const std::size_t k = order_[i];
      const double code =
          w[k] == 0.0 ? 0.0 : std::clamp(std::nearbyint((w[k] + carried[i] / row[i]) / step[k]), low, high);
      codes[k] = static_cast<std::int8_t>(code);
      const double error = w[k] - code * step[k];
      add_scaled(carried.data(), row, error, i);
    }
  }

  /// H w, and H (q - w) for the q that codes stand for at the moment.
  struct row_products {
    std::vector<double> of_w, slope;
  };

  /// Both in one pass over H, which is larger than the second cache: reading it is what takes the time.
  row_products start(std::span<const double> w, std::span<const double> step,
                     std::span<const std::int8_t> codes) const {
    const std::size_t n = size();
    row_products p{std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
    for (std::size_t k = 0; k < n; ++k) {
      if (w[k] != 0.0) add_scaled(p.of_w.data(), h_.data() + k * n, w[k], n);
      const double e = codes[k] * step[k] - w[k];
      if (e != 0.0) add_scaled(p.slope.data(), h_.data() + k * n, e, n);
    }
    return p;
  }

  /// Moves codes one by one to the values of least error while the others stay, until none moves or `sweeps` are over.
  /// `slope` follows. Cost: n per sweep and n per move.
  void descend(std::span<const double> w, std::span<const double> step, double low, double high, std::size_t sweeps,
               std::span<std::int8_t> codes, std::span<double> slope) const {
    const std::size_t n = size();
    for (bool moved = true; moved && sweeps > 0; --sweeps) {
      moved = false;
      for (std::size_t i = n; i-- > 0;) {
        const std::size_t k = order_[i];
        if (w[k] == 0.0) continue;
        const double best = codes[k] - slope[k] / (h_[k * n + k] * step[k]);
        const double code = std::clamp(std::nearbyint(best), low, high);
        if (code == static_cast<double>(codes[k]) || std::abs(best - codes[k]) < 0.5 + 1e-9) continue;
        const double by = (code - codes[k]) * step[k];
        codes[k] = static_cast<std::int8_t>(code);
        add_scaled(slope.data(), h_.data() + k * n, by, n);
        moved = true;
      }
    }
  }

  /// q^T H w and q^T H q, whose ratio is the factor that suits q best.
  struct products {
    double with_w = 0, with_q = 0;
  };
  static products overlap(std::span<const double> q, const row_products& of) noexcept {
    products p;
    for (std::size_t k = 0; k < q.size(); ++k) {
      p.with_w += q[k] * of.of_w[k];
      p.with_q += q[k] * (of.slope[k] + of.of_w[k]);
    }
    return p;
  }

  /// What they are once all steps have become `factor` times as large.
  static void scale_steps(row_products& p, double factor) noexcept {
    for (std::size_t k = 0; k < p.slope.size(); ++k) p.slope[k] = factor * (p.slope[k] + p.of_w[k]) - p.of_w[k];
  }

private:
  std::size_t first_;
  std::vector<std::size_t> order_;  // columns by power, weakest first
  std::vector<double> h_;           // (n, n)
  std::vector<double> l_;           // its factor, in that order, mirrored
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
