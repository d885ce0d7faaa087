// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"

/// Sums whose order depends on the index of an element alone: element i belongs to virtual lane i % 64, each lane adds
/// its own in ascending order, then lane l takes lane l + 32, + 16, .. + 1. Whatever the register width, the thread
/// count or the strides, the bits are the same.
namespace dsmm::inline DSMM_ABI::kernels {

inline constexpr std::size_t lane_count = 64;

/// 64 partial sums that take elements in runs, e.g. the rows of a strided tensor.
class lane_sum {
public:
  /// Takes `count` elements; step(sum, i) returns `sum` with element i of this run added.
  template <class Step>
  [[gnu::always_inline]] void add(std::size_t count, const Step& step) noexcept {
    std::size_t i = 0;
    for (; next_ != 0 && i < count; ++i) {
      lane_[next_] = step(lane_[next_], i);
      next_ = (next_ + 1) % lane_count;
    }
    const std::size_t blocks = (count - i) / lane_count, rest = (count - i) % lane_count;
    for (std::size_t b = 0; b < blocks; ++b, i += lane_count)
      for (std::size_t l = 0; l < lane_count; ++l) lane_[l] = step(lane_[l], i + l);
    for (std::size_t l = 0; l < rest; ++l) lane_[l] = step(lane_[l], i + l);
    next_ += rest;
  }

  /// The sum of everything taken; a NaN is quiet_nan.
  float total() const noexcept {
    std::array<float, lane_count> t = lane_;
    for (std::size_t width = lane_count / 2; width != 0; width /= 2)
      for (std::size_t l = 0; l < width; ++l) t[l] += t[l + width];
    return canonical(t[0]);
  }

private:
  alignas(64) std::array<float, lane_count> lane_{};
  std::size_t next_ = 0;  ///< lane of the next element
};

/// Sum of n terms, term(i) each.
template <class Term>
[[gnu::always_inline]] inline float sum_of(std::size_t n, const Term& term) noexcept {
  lane_sum lanes;
  lanes.add(
      n, [&](float sum, std::size_t i) __attribute__((always_inline)) { return sum + term(i); });
  return lanes.total();
}

/// Sum of n products a(i) * b(i), each fused into its lane.
template <class M = fused::of_build, class A, class B>
[[gnu::always_inline]] inline float sum_of_products(std::size_t n, const A& a, const B& b) noexcept {
  lane_sum lanes;
  lanes.add(
      n, [&](float sum, std::size_t i) __attribute__((always_inline)) { return fma<M>(a(i), b(i), sum); });
  return lanes.total();
}

/// x[0] + .. + x[n - 1]; 0 for n = 0.
inline float sum(const float* x, std::size_t n) noexcept {
  float y = 0.0f;
  with_avx2([&y, x, n ]() __attribute__((always_inline)) {
    y = sum_of(
        n, [x](std::size_t i) __attribute__((always_inline)) { return x[i]; });
  });
  return y;
}

/// x[0]^2 + .. + x[n - 1]^2.
inline float sum_squares(const float* x, std::size_t n) noexcept {
  float y = 0.0f;
  with_avx2([&y, x, n ]<class M>(M) __attribute__((always_inline)) {
    const auto at = [x](std::size_t i) __attribute__((always_inline)) { return x[i]; };
    y = sum_of_products<M>(n, at, at);
  });
  return y;
}

/// The largest of n floats: quiet_nan if one is NaN, +0 where the largest is a zero of either sign, -infinity for n =
/// 0. Independent of any order.
inline float max(const float* x, std::size_t n) noexcept {
  float y = 0.0f;
  with_avx2([&y, x, n ]() __attribute__((always_inline)) {
    std::array<float, lane_count> lane;
    std::array<std::uint32_t, lane_count> nan{};
    lane.fill(-math_impl::infinity);
    const auto take = [&](std::size_t l, float v) __attribute__((always_inline)) {
      lane[l] = choose(v > lane[l], v, lane[l]);
      nan[l] |= static_cast<std::uint32_t>(v != v);
    };
    for (std::size_t b = 0; b < n / lane_count; ++b)
      for (std::size_t l = 0; l < lane_count; ++l) take(l, x[b * lane_count + l]);
    for (std::size_t l = 0; l < n % lane_count; ++l) take(l, x[n / lane_count * lane_count + l]);
    float m = -math_impl::infinity;
    bool number = true;
    for (std::size_t l = 0; l < lane_count; ++l) {
      m = lane[l] > m ? lane[l] : m;
      number &= nan[l] == 0;
    }
    y = number ? m + 0.0f : quiet_nan;
  });
  return y;
}

/// Elements of a view in (y, x, c) order, taken row by row: the same bits as sum() of a dense copy.
inline float sum(tensor_view<const float> x) noexcept {
  lane_sum lanes;
  with_avx2([&lanes, x ]() __attribute__((always_inline)) {
    const bool dense = x.pixel == x.shape.c;
    const auto run = static_cast<std::size_t>(dense ? std::ptrdiff_t{x.shape.w} * x.shape.c : x.shape.c);
    for (std::int32_t row = 0; row < x.shape.h; ++row)
      for (std::int32_t col = 0; col < (dense ? 1 : x.shape.w); ++col) {
        const float* at = x.at(row, col);
        lanes.add(
            run, [at](float s, std::size_t i) __attribute__((always_inline)) { return s + at[i]; });
      }
  });
  return lanes.total();
}

/// max() over the elements of a view.
inline float max(tensor_view<const float> x) noexcept {
  const bool dense = x.pixel == x.shape.c;
  const auto run = static_cast<std::size_t>(dense ? std::ptrdiff_t{x.shape.w} * x.shape.c : x.shape.c);
  float m = -math_impl::infinity;
  for (std::int32_t row = 0; row < x.shape.h; ++row)
    for (std::int32_t col = 0; col < (dense ? 1 : x.shape.w); ++col) {
      const float v = max(x.at(row, col), run);
      if (!(v <= m)) m = v;
      if (m != m) return quiet_nan;
    }
  return m;
}

}  // namespace dsmm::inline DSMM_ABI::kernels
