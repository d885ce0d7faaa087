// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// The piecewise linear curve through (from[p], to[p]) at x; constant beyond both ends, NaN stays NaN.
/// from  f32 (P), ascending, P >= 1; where two are equal the curve jumps, and the later one holds at that very x.
/// The result never leaves [to[p], to[p + 1]] of its segment, so a monotone curve gives monotone results.
inline float piecewise_linear(const float* from, const float* to, std::int32_t points, float x) noexcept {
  if (x != x) return quiet_nan;
  const auto after = static_cast<std::int32_t>(std::upper_bound(from, from + points, x) - from);  // first from > x
  if (after == 0) return to[0];
  if (after == points) return to[points - 1];
  const float x0 = from[after - 1], y0 = to[after - 1], y1 = to[after];
  const float y = fma((x - x0) / (from[after] - x0), y1 - y0, y0);
  return std::min(std::max(y, std::min(y0, y1)), std::max(y0, y1));
}

/// y[n] = the curve of knots[n] at x[n]: scores of N heads to one scale.
/// x, y  f32 (N).   knots  f32 (N, 2, P): the x of each knot, ascending, then its y.
inline void calibrate(const float* x, const float* knots, std::int32_t count, std::int32_t points, float* y) noexcept {
  for (std::int32_t n = 0; n < count; ++n, knots += 2 * points)
    y[n] = piecewise_linear(knots, knots + points, points, x[n]);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
