// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// A rectangle of values, row by row.
template <class T>
struct plate {
  int width = 0, height = 0;
  std::vector<T> values;

  plate() = default;
  plate(int w, int h) : width(w), height(h), values(static_cast<std::size_t>(w) * static_cast<std::size_t>(h)) {}
  T* row(int y) noexcept { return values.data() + static_cast<std::ptrdiff_t>(y) * width; }
  const T* row(int y) const noexcept { return values.data() + static_cast<std::ptrdiff_t>(y) * width; }
};

/// The plate smoothed by a running mean of `length` along x, wrapping around.
inline plate<float> smooth_x(const plate<float>& in, int length) {
  plate<float> out(in.width, in.height);
  for (int y = 0; y < in.height; ++y) {
    const float* source = in.row(y);
    std::int64_t sum = 0;  // integer sums: the running mean cannot drift
    const auto fixed = [&](int x) {
      return static_cast<std::int64_t>(source[(x % in.width + in.width) % in.width] * 65536.0f);
    };
    for (int x = -length / 2; x < length - length / 2; ++x) sum += fixed(x);
    const float unit = 1.0f / (65536.0f * static_cast<float>(length));
    for (int x = 0; x < in.width; ++x) {
      out.row(y)[x] = static_cast<float>(sum) * unit;
      sum += fixed(x + length - length / 2) - fixed(x - length / 2);
    }
  }
  return out;
}

inline plate<float> transposed(const plate<float>& in) {
  plate<float> out(in.height, in.width);
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x) out.row(x)[y] = in.row(y)[x];
  return out;
}

inline plate<float> smooth_y(const plate<float>& in, int length) {
  return transposed(smooth_x(transposed(in), length));
}

/// The lens out of focus: 1-2-3-2-1 binomial-like filter in x and y, edges repeated.
template <class T>
plate<T> defocused(const plate<T>& in) {
  plate<T> across(in.width, in.height), out(in.width, in.height);
  const auto mix = [](int a, int b, int c, int d, int e) {
    return static_cast<T>((a + 2 * b + 3 * c + 2 * d + e) / 9);
  };
  const auto at = [](int v, int size) { return std::clamp(v, 0, size - 1); };
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x) {
      const T* r = in.row(y);
      const int w = in.width;
      across.row(y)[x] = mix(r[at(x - 2, w)], r[at(x - 1, w)], r[x], r[at(x + 1, w)], r[at(x + 2, w)]);
    }
  for (int y = 0; y < in.height; ++y) {
    const int h = in.height;
    const T* rows[5] = {across.row(at(y - 2, h)), across.row(at(y - 1, h)), across.row(y), across.row(at(y + 1, h)),
                        across.row(at(y + 2, h))};
    for (int x = 0; x < in.width; ++x) out.row(y)[x] = mix(rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x]);
  }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::line
