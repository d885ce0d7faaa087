// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/scatter.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Kernels that count, rank and select.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// Attributes: axis, exclusive, reverse. Sums in order.
inline void nd_cumsum(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const std::int64_t n = x.dims[axis], inner = x.count(axis + 1), outer = x.count(0, axis);
  const bool exclusive = c.attribute(1) != 0, reverse = c.attribute(2) != 0;
  visit_numeric(x.type, [&]<class T>(T) {
    for_runs(c.exec, outer * inner, row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t base = r / inner * n * inner + r % inner;
        T sum{};
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t at = base + (reverse ? n - 1 - i : i) * inner;
          const T v = x.as<const T>()[at];
          y.as<T>()[at] = exclusive ? sum : binary_impl::plus(sum, v);
          sum = binary_impl::plus(sum, v);
        }
      }
    });
  });
}

inline std::size_t nd_topk_scratch(const call& c) noexcept {
  return static_cast<std::size_t>(c.in[0].count()) * sizeof(std::int32_t);
}

/// Attributes: axis, largest, sorted (always done). Equal values in ascending index; NaN counts as larger than all.
inline void nd_topk(const call& c) noexcept {
  const view &x = c.in[0], &values = c.out[0], &indices = c.out[1];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const std::int64_t n = x.dims[axis], k = values.dims[axis], inner = x.count(axis + 1), outer = x.count(0, axis);
  const bool largest = c.attribute(1) != 0;
  visit_numeric(x.type, [&]<class T>(T) {
    for_runs(c.exec, outer * inner, row_grain(n * 8), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* const from = x.as<const T>() + r / inner * n * inner + r % inner;
        auto* const order = reinterpret_cast<std::int32_t*>(c.scratch) + r * n;
        for (std::int64_t i = 0; i < n; ++i) order[i] = static_cast<std::int32_t>(i);
        const auto above = [](T a, T b) { return a != a ? b == b : a > b; };
        std::partial_sort(order, order + k, order + n, [&](std::int32_t a, std::int32_t b) {
          const T p = from[a * inner], q = from[b * inner];
          if (above(p, q)) return largest;
          if (above(q, p)) return !largest;
          return a < b;
        });
        const std::int64_t base = r / inner * k * inner + r % inner;
        for (std::int64_t i = 0; i < k; ++i) {
          values.as<T>()[base + i * inner] = from[order[i] * inner];
          indices.as<std::int64_t>()[base + i * inner] = order[i];
        }
      }
    });
  });
}

/// y (rank, elements): the first `length` columns are the positions of what is not zero, in order; the others are 0.
inline void nd_nonzero(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  auto* const out = y.as<std::int64_t>();
  const std::int64_t count = x.count();
  std::fill_n(out, y.count(), std::int64_t{0});
  std::int64_t length = 0;
  visit_numeric(x.type, [&]<class T>(T) {
    for (std::int64_t e = 0; e < count; ++e) {
      if (x.as<const T>()[e] == T{}) continue;
      std::int64_t rest = e;
      for (std::size_t i = x.rank; i-- > 0; rest /= x.dims[i])
        out[static_cast<std::int64_t>(i) * count + length] = rest % x.dims[i];
      ++length;
    }
  });
  *c.out[1].as<std::int64_t>() = length;
}

/// Attribute: axis. Inputs: indices, (off, on). An index outside [-depth, depth) marks nothing.
inline void nd_one_hot(const call& c) noexcept {
  const view &index = c.in[0], &values = c.in[1], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const std::int64_t depth = y.dims[axis], inner = y.count(axis + 1);
  visit_size(y.type, [&]<class T>(T) {
    std::fill_n(y.as<T>(), y.count(), values.as<const T>()[0]);
    visit_numeric(index.type, [&]<class I>(I) {
      for (std::int64_t e = 0; e < index.count(); ++e) {
        const auto v = static_cast<double>(index.as<const I>()[e]);  // exact as far as depth reaches
        const bool near = v >= static_cast<double>(-depth) && v < static_cast<double>(depth);
        const std::int64_t i = near ? static_cast<std::int64_t>(v) : depth;
        const std::int64_t at = scatter_impl::inside(i, depth);
        if (at >= 0) y.as<T>()[(e / inner * depth + at) * inner + e % inner] = values.as<const T>()[1];
      }
    });
  });
}

namespace nms_impl {

struct box {
  float low_y, low_x, high_y, high_x;
  float area() const noexcept { return (high_y - low_y) * (high_x - low_x); }
};

inline box box_at(const float* b, bool center) noexcept {
  if (center) return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

inline bool overlap(const box& a, const box& b, float threshold) noexcept {
  const float h = std::min(a.high_y, b.high_y) - std::max(a.low_y, b.low_y);
  const float w = std::min(a.high_x, b.high_x) - std::max(a.low_x, b.low_x);
  if (!(h > 0.0f) || !(w > 0.0f)) return false;
  const float common = h * w, either = a.area() + b.area() - common;
  return common > threshold * either;
}

}  // namespace nms_impl

inline std::size_t nd_nms_scratch(const call& c) noexcept {
  return static_cast<std::size_t>(c.in[0].dims[1]) * sizeof(std::int32_t);
}

/// Attributes: boxes are centres and sizes, boxes per class, largest overlap, smallest score. Inputs: boxes (B, N, 4),
/// scores (B, C, N). Outputs: (batch, class, box) rows in order of class and falling score, and their number.
inline void nd_nms(const call& c) noexcept {
  const view &boxes = c.in[0], &scores = c.in[1], &y = c.out[0];
  const bool center = c.attribute(0) != 0;
  const std::int64_t most = c.attribute(1), n = boxes.dims[1], classes = scores.dims[1];
  const float limit = c.attribute_f32(2), least = c.attribute_f32(3);
  auto* const out = y.as<std::int64_t>();
  auto* const order = reinterpret_cast<std::int32_t*>(c.scratch);
  std::fill_n(out, y.count(), std::int64_t{0});
  std::int64_t length = 0;
  for (std::int64_t p = 0; p < boxes.dims[0] * classes; ++p) {
    const float* const score = scores.as<const float>() + p * n;
    const float* const box = boxes.as<const float>() + p / classes * n * 4;
    std::int64_t candidates = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (score[i] > least) order[candidates++] = static_cast<std::int32_t>(i);
    std::sort(order, order + candidates,
              [&](std::int32_t a, std::int32_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
    const std::int64_t first = length;
    for (std::int64_t i = 0; i < candidates && length - first < most; ++i) {
      const nms_impl::box candidate = nms_impl::box_at(box + std::int64_t{order[i]} * 4, center);
      bool free = true;
      for (std::int64_t k = first; k < length && free; ++k)
        free = !nms_impl::overlap(candidate, nms_impl::box_at(box + out[k * 3 + 2] * 4, center), limit);
      if (!free) continue;
      out[length * 3] = p / classes;
      out[length * 3 + 1] = p % classes;
      out[length * 3 + 2] = order[i];
      ++length;
    }
  }
  *c.out[1].as<std::int64_t>() = length;
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
