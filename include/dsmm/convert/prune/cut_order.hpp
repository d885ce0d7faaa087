// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/cholesky.hpp"
#include "dsmm/convert/prune/channel_classes.hpp"
#include "dsmm/convert/prune/mixing_layer.hpp"
#include "dsmm/convert/prune/moments.hpp"

/// In which order the channels of a family go: always the one whose loss the others can make up for best.
namespace dsmm::inline DSMM_ABI::convert::prune {

/// One group of a layer: its weights and what it reads on the calibration data. Left alone if `h` was not kept in full.
struct mixing_system {
  std::size_t layer = 0;
  std::int64_t group = 0;
  std::vector<double> w{};  ///< (rows, columns)
  moments h{};
  double energy = 0;              ///< variance of the sums over all rows
  std::vector<double> inverse{};  ///< of the damped covariance
  std::size_t rows() const noexcept { return h.columns() == 0 ? 0 : w.size() / h.columns(); }

  /// After the last sample. damping  share of the mean variance that is added to each.
  void finish(double damping) {
    const std::size_t n = h.columns();
    std::vector<double> c(h.full() ? n * n : 0);
    for (std::size_t i = 0; h.full() && i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) c[i * n + j] = c[j * n + i] = h.covariance(i, j);
    std::vector<double> part(n);
    for (std::size_t r = 0; r < rows(); ++r) {
      const double* const row = w.data() + r * n;
      for (std::size_t i = 0; i < n; ++i)
        energy += row[i] * (h.full() ? dot(c.data() + i * n, row, n) : h.covariance(i, i) * row[i]);
    }
    const double more = damping * h.mean_variance() + 1e-12;
    for (std::size_t i = 0; h.full() && i < n; ++i) c[i * n + i] += more;
    if (h.full()) inverse = convert::inverse(std::move(c), n);
  }
};

/// A class, and the share of the energy of the layers that read it which goes with it, given those before it went.
struct cut_step {
  std::size_t cls = 0;
  double loss = 0;
};

namespace order_impl {

/// The columns of one family in one system.
struct block {
  const mixing_system* from = nullptr;
  std::vector<std::size_t> columns{};
  std::map<std::size_t, std::vector<std::size_t>> of_class{};  ///< indices into `columns`
  std::vector<double> p{}, w{};  ///< inverse covariance given all others, and weights (rows, columns), as it stands

  void load() {
    const std::size_t n = columns.size(), all = from->h.columns(), rows = from->rows();
    w.resize(rows * n);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < n; ++i) w[r * n + i] = from->w[r * all + columns[i]];
    if (from->inverse.empty()) return;
    p.resize(n * n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) p[i * n + j] = from->inverse[columns[i] * all + columns[j]];
  }

  /// (p_ss)^-1 of the columns of a class.
  std::vector<double> precision(const std::vector<std::size_t>& s) const {
    std::vector<double> m(s.size() * s.size());
    for (std::size_t i = 0; i < s.size(); ++i)
      for (std::size_t j = 0; j < s.size(); ++j) m[i * s.size() + j] = p[s[i] * columns.size() + s[j]];
    return inverse(std::move(m), s.size());
  }

  double loss(std::size_t cls) const {
    const auto at = of_class.find(cls);
    if (at == of_class.end() || from->energy <= 0) return 0;
    const std::vector<std::size_t>& s = at->second;
    const std::size_t n = columns.size(), b = s.size();
    double sum = 0;
    if (p.empty()) {
      for (std::size_t r = 0; r < from->rows(); ++r)
        for (const std::size_t k : s) sum += w[r * n + k] * w[r * n + k] * from->h.covariance(columns[k], columns[k]);
      return sum / from->energy;
    }
    const std::vector<double> m = precision(s);
    if (m.empty()) return 0;  // nothing is left of it
    std::vector<double> row(b);
    for (std::size_t r = 0; r < from->rows(); ++r) {
      for (std::size_t i = 0; i < b; ++i) row[i] = w[r * n + s[i]];
      for (std::size_t i = 0; i < b; ++i) sum += row[i] * dot(m.data() + i * b, row.data(), b);
    }
    return sum / from->energy;
  }

  /// The others take over what a class did.
  void remove(std::size_t cls) {
    const auto at = of_class.find(cls);
    if (at == of_class.end() || p.empty()) return;
    const std::vector<std::size_t>& s = at->second;
    const std::size_t n = columns.size(), b = s.size();
    const std::vector<double> m = precision(s);
    if (m.empty()) return;
    std::vector<double> t(b * n, 0.0);  // m p_s:
    for (std::size_t i = 0; i < b; ++i)
      for (std::size_t k = 0; k < b; ++k)
        for (std::size_t j = 0; j < n; ++j) t[i * n + j] += m[i * b + k] * p[s[k] * n + j];
    std::vector<double> left(b);
    for (std::size_t r = 0; r < from->rows(); ++r) take(w.data() + r * n, s, t, left);
    for (std::size_t r = 0; r < n; ++r) take(p.data() + r * n, s, t, left);
    for (const std::size_t k : s) p[k * n + k] = 1.0;  // never read again
  }

private:
  static void take(double* row, const std::vector<std::size_t>& s, const std::vector<double>& t,
                   std::vector<double>& left) {
    const std::size_t b = s.size(), n = t.size() / b;
    for (std::size_t i = 0; i < b; ++i) left[i] = row[s[i]];
    for (std::size_t i = 0; i < b; ++i)
      for (std::size_t j = 0; j < n; ++j) row[j] -= left[i] * t[i * n + j];
  }
};

}  // namespace order_impl

/// All classes of a family, first to go first.
/// Cost: per class that goes, rows * columns * (columns of a class) in each layer that reads the family.
inline std::vector<cut_step> order_family(const channel_classes& classes, std::size_t family,
                                          std::span<const mixing_layer> layers,
                                          std::span<const mixing_system> systems) {
  using namespace order_impl;
  std::vector<block> blocks;
  for (const mixing_system& s : systems) {
    const mixing_layer& l = layers[s.layer];
    if (l.depthwise()) continue;  // goes with its channel, loses nothing
    block b{&s};
    for (std::int64_t c = 0; c < l.in; ++c) {
      const std::int32_t cls = classes.read[s.layer][static_cast<std::size_t>(s.group * l.in + c)];
      if (cls < 0 || classes.classes[static_cast<std::size_t>(cls)].family != family) continue;
      for (std::int64_t t = 0; t < l.taps; ++t) {
        b.of_class[static_cast<std::size_t>(cls)].push_back(b.columns.size());
        b.columns.push_back(static_cast<std::size_t>(c * l.taps + t));
      }
    }
    if (b.columns.empty()) continue;
    b.load();
    blocks.push_back(std::move(b));
  }
  std::vector<std::size_t> left = classes.families[family].classes;
  std::vector<cut_step> out;
  while (!left.empty()) {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < left.size(); ++i) {
      double loss = 0;
      for (const block& b : blocks) loss += b.loss(left[i]);
      if (loss < least) least = loss, best = i;
    }
    for (block& b : blocks) b.remove(left[best]);
    out.push_back({left[best], std::max(least, 0.0)});
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
