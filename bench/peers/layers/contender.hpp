// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
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
    return (out - 1) * l.stride + l.kernel - size - pad();
  }
};

/// One library's way of computing a problem.
struct contender {
  std::string name;
  std::function<void()> run;
  std::function<double()> error;  ///< of the last run; for integers in levels, else relative to the largest output
  bool integers = true;
};

/// The largest difference in levels.
inline double levels_between(const std::uint8_t* a, const std::uint8_t* b, std::size_t count) {
  int most = 0;
  for (std::size_t i = 0; i < count; ++i) most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  return most;
}

/// The largest difference over the largest value of `right`.
inline double relative_between(const float* a, const float* right, std::size_t count) {
  double most = 0, top = 1e-30;
  for (std::size_t i = 0; i < count; ++i) {
    most = std::max(most, std::abs(double(a[i]) - double(right[i])));
    top = std::max(top, std::abs(double(right[i])));
  }
  return most / top;
}
