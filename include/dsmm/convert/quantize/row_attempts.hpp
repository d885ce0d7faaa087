// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/moment_form.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// A row of weights to be rounded with steps that are multiples of one scale.
struct row_attempt {
  std::span<const double> w;
  std::span<const std::uint8_t> steps;  ///< i4s: of its groups; empty: 1
  std::size_t group = 0;                ///< weights of a step; 0: all
  float scale = 0, least = 0;           ///< the scale, and below what it must not fall
  std::vector<std::int8_t> codes{};
  double error = 0;  ///< in the output, as the moments count it, block by block; 0 without them

  double step(std::size_t k) const noexcept {
    return static_cast<double>(scale) * (steps.empty() ? 1 : steps[group == 0 ? 0 : k / group]);
  }
};

/// Rounds attempts side by side, for the matrices that they share are larger than the caches; none depends on others.
/// Attempts at the same weights lie together.
class row_attempts {
public:
  /// forms  block after block of the rows' columns; nullptr: none, plain rounding.
  row_attempts(std::span<row_attempt> rows, std::span<const moment_form* const> forms, double low, double high)
      : rows_(rows), forms_(forms), low_(low), high_(high), steps_(rows.size()) {}

  /// refit  then let scales follow the codes, once, and codes the scales.
  void run(bool refit) {
    for (std::size_t r = 0; r < rows_.size(); ++r) start(r);
    std::size_t from = 0;
    for (const moment_form* const form : forms_) {
      if (form == nullptr) {
        from += moment_block;
        continue;
      }
      blocks_.push_back({form, from});
      round(blocks_.back());
      from += form->size();
    }
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const double factor = descend(r);
      if (!refit || !(factor > 0.5 && factor < 2.0)) continue;
      rescale(r, factor);
      descend(r);
    }
  }

private:
  struct block {
    const moment_form* form;
    std::size_t from;                           // the first of its columns
    std::vector<std::vector<double>> of_w{};    // H w, once for all attempts at w
    std::vector<std::size_t> of{};              // which of them an attempt has
    std::vector<std::vector<double>> slopes{};  // H (q - w), by attempt
  };

  /// Steps, and the nearest codes.
  void start(std::size_t r) {
    row_attempt& a = rows_[r];
    a.codes.resize(a.w.size());
    take_steps(r);
    for (std::size_t k = 0; k < a.w.size(); ++k)
      a.codes[k] = static_cast<std::int8_t>(std::clamp(std::nearbyint(a.w[k] / steps_[r][k]), low_, high_));
  }

  void take_steps(std::size_t r) {
    steps_[r].resize(rows_[r].w.size());
    for (std::size_t k = 0; k < steps_[r].size(); ++k) steps_[r][k] = rows_[r].step(k);
  }

  moment_form::row part(std::size_t r, const block& b) {
    const std::size_t n = b.form->size();
    return {rows_[r].w.subspan(b.from, n), std::span(steps_[r]).subspan(b.from, n),
            std::span(rows_[r].codes).subspan(b.from, n)};
  }

  /// By second moments, and what descent starts from.
  void round(block& b) {
    const std::size_t n = b.form->size();
    std::vector<moment_form::row> parts;
    for (std::size_t r = 0; r < rows_.size(); ++r) parts.push_back(part(r, b));
    b.form->round(parts, low_, high_);
    std::vector<std::vector<double>> errors;
    std::vector<const double*> v;
    std::vector<double*> out;
    for (const moment_form::row& p : parts) {
      if (b.of.empty() || p.w.data() != parts[b.of.size() - 1].w.data()) {
        b.of_w.emplace_back(n, 0.0);
        v.push_back(p.w.data()), out.push_back(b.of_w.back().data());
      }
      b.of.push_back(b.of_w.size() - 1);
      b.slopes.emplace_back(n, 0.0);
      errors.emplace_back(n);
      for (std::size_t k = 0; k < n; ++k) errors.back()[k] = p.codes[k] * p.step[k] - p.w[k];
    }
    for (std::size_t r = 0; r < parts.size(); ++r) v.push_back(errors[r].data()), out.push_back(b.slopes[r].data());
    b.form->multiply(v, out);
  }

  /// Sets the error; returns the factor that would suit the codes best.
  double descend(std::size_t r) {
    moment_form::products sum;
    rows_[r].error = 0;
    for (block& b : blocks_) {
      const moment_form::row p = part(r, b);
      std::vector<double>& slope = b.slopes[r];
      b.form->descend(p, low_, high_, 8, slope);
      std::vector<double> q(p.w.size());
      for (std::size_t k = 0; k < q.size(); ++k) q[k] = p.codes[k] * p.step[k];
      for (std::size_t k = 0; k < q.size(); ++k) rows_[r].error += (q[k] - p.w[k]) * slope[k];
      const auto more = moment_form::overlap(q, b.of_w[b.of[r]], slope);
      sum.with_w += more.with_w, sum.with_q += more.with_q;
    }
    return sum.with_q > 0 ? sum.with_w / sum.with_q : 1.0;
  }

  void rescale(std::size_t r, double factor) {
    const auto before = static_cast<double>(rows_[r].scale);
    rows_[r].scale = std::max(static_cast<float>(before * factor), rows_[r].least);
    for (block& b : blocks_)
      moment_form::scale_steps(b.of_w[b.of[r]], b.slopes[r], static_cast<double>(rows_[r].scale) / before);
    take_steps(r);
  }

  std::span<row_attempt> rows_;
  std::span<const moment_form* const> forms_;
  double low_, high_;
  std::vector<std::vector<double>> steps_;  // by attempt and column
  std::vector<block> blocks_;
};

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
