// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/layers.hpp"

/// What every library computes: y = clamp(round(scale * conv(x, w)) + zero) of u8 and s8, NHWC, zeros around the
/// picture.
struct problem {
  layer l;
  std::vector<std::uint8_t> x;  ///< (height, width, in)
  std::vector<std::int8_t> w;   ///< (out, kernel, kernel, in), depthwise (out, kernel, kernel)
  float scale = 0;
  std::int32_t zero = 0;
  int threads = 1;

  bool is_linear() const noexcept { return l.kernel == 1 && l.width == 1; }
  std::int32_t pad() const noexcept { return l.kernel / 2; }
  std::int32_t groups() const noexcept { return l.depthwise ? l.out : 1; }
  /// Inputs that one output sums over.
  std::int32_t depth() const noexcept { return l.depthwise ? 1 : l.in; }
  /// Zeros after the last row and column that the output needs.
  std::int32_t pad_after(std::int32_t size, std::int32_t out) const noexcept {
    return std::max(0, (out - 1) * l.stride + l.kernel - size - pad());
  }
};

/// One library's way of computing a problem.
struct contender {
  std::string name;
  std::function<void()> run;
  std::function<double()> error;  ///< of the last run: the largest difference in levels of y, or relative noise
};

/// The largest difference in levels.
inline double levels_between(const std::uint8_t* a, const std::uint8_t* b, std::size_t count) {
  int most = 0;
  for (std::size_t i = 0; i < count; ++i) most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  return most;
}

/// What f32 sums of integers come to in levels of y.
inline std::vector<std::uint8_t> levels_of(const problem& p, const float* sums) {
  std::vector<std::uint8_t> levels(std::size_t(p.l.output().count()));
  for (std::size_t i = 0; i < levels.size(); ++i)
    levels[i] = std::uint8_t(std::clamp(std::floor(sums[i] * p.scale + 0.5f) + float(p.zero), 0.0f, 255.0f));
  return levels;
}
