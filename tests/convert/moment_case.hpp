// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/convert/quantize/layer_inputs.hpp"
#include "dsmm/core/rng.hpp"

namespace moment_case {

/// Moments of `rows` rows of n values of 0 to 1, to which each adds a part of its own of 0 to `shared`, so that columns
/// are correlated.
inline dsmm::convert::moment_matrix moments(std::size_t n, std::size_t rows, float shared, std::uint64_t seed) {
  dsmm::convert::moment_matrix m{0, n, std::vector<double>(n * n, 0.0)};
  dsmm::rng r(seed);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto part = static_cast<double>(r.uniform(0.0f, shared));
    std::vector<double> row(n);
    for (double& v : row) v = part + static_cast<double>(r.uniform(0.0f, 1.0f));
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b <= a; ++b) m.m[a * n + b] += row[a] * row[b];
  }
  return m;
}

/// e^T m e
inline double power(const dsmm::convert::moment_matrix& m, const std::vector<double>& e) {
  double sum = 0;
  for (std::size_t a = 0; a < m.n; ++a)
    for (std::size_t b = 0; b < m.n; ++b) sum += e[a] * e[b] * m.m[a < b ? b * m.n + a : a * m.n + b];
  return sum;
}

}  // namespace moment_case
