// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "dsmm/config.hpp"

/// Symmetric positive definite systems in double, row-major (n, n).
namespace dsmm::inline DSMM_ABI::convert {

/// sum a[i] b[i] in eight chains: the additions of one would wait for each other.
inline double dot(const double* a, const double* b, std::size_t n) noexcept {
  std::array<double, 8> part{};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (std::size_t p = 0; p < 8; ++p) part[p] += a[i + p] * b[i + p];
  double sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// Turns the lower triangle of m into L with L L^T = m. False if m is not positive definite. Cost: n^3 / 6
/// multiply-adds.
inline bool cholesky(std::span<double> m, std::size_t n) noexcept {
  for (std::size_t j = 0; j < n; ++j) {
    double* const row = m.data() + j * n;
    for (std::size_t k = 0; k < j; ++k) {
      const double* const other = m.data() + k * n;
      row[k] = (row[k] - dot(row, other, k)) / other[k];
    }
    const double pivot = row[j] - dot(row, row, j);
    if (!(pivot > 0)) return false;
    row[j] = std::sqrt(pivot);
  }
  return true;
}

/// The upper triangle of a factored matrix becomes L^T, so that back substitution reads rows too.
inline void mirror(std::span<double> m, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) m[j * n + i] = m[i * n + j];
}

/// b, (count, n), becomes the solutions x of L L^T x = b, row by row; `l` is factored and mirrored, and read once.
inline void cholesky_solve(std::span<const double> l, std::size_t n, std::span<double> b,
                           std::size_t count = 1) noexcept {
  for (std::size_t i = 0; i < n; ++i)
    for (double* x = b.data(); x != b.data() + count * n; x += n)
      x[i] = (x[i] - dot(l.data() + i * n, x, i)) / l[i * n + i];
  for (std::size_t i = n; i-- > 0;)
    for (double* x = b.data(); x != b.data() + count * n; x += n)
      x[i] = (x[i] - dot(l.data() + i * n + i + 1, x + i + 1, n - i - 1)) / l[i * n + i];
}

/// The inverse of a symmetric positive definite matrix, both triangles; empty if it is not one.
inline std::vector<double> inverse(std::vector<double> m, std::size_t n) {
  if (!cholesky(m, n)) return {};
  mirror(m, n);
  std::vector<double> out(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    out[i * n + i] = 1.0;
    cholesky_solve(m, n, std::span(out).subspan(i * n, n));
  }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert
