// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/nest.hpp"
#include "dsmm/kernels/nd/reduce.hpp"
#include "dsmm/kernels/nd/reduce_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Normalisations. Mean and variance are two passes: the sum, then the sum of squared distances from the mean.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace norm_impl {

template <class T>
struct statistics {
  T mean{}, inverse{};  ///< inverse = 1 / sqrt(variance + epsilon)
};

template <class T>
statistics<T> measure(const T* x, std::size_t n, T epsilon, bool rms) noexcept {
  statistics<T> s;
  const auto count = static_cast<T>(n);
  if (!rms) s.mean = reduce_impl::sum_row(x, n) / count;
  T squares{};
  if constexpr (std::is_same_v<T, float>) {
    squares = selected_reduce_f32().squares(x, n, s.mean);
  } else {
    squares = reduce_impl::total<T>(n, [x, mean = s.mean](std::size_t i) { return (x[i] - mean) * (x[i] - mean); });
  }
  const T variance = squares / count;
  s.inverse = T{1} / reduce_impl::root_of(variance + epsilon);
  return s;
}

}  // namespace norm_impl

/// Attributes: first axis, epsilon, rms. Inputs: x, scale, bias. Outputs: y, mean, 1 / deviation.
inline void nd_layer_norm(const call& c) noexcept {
  const view &x = c.in[0], &scale = c.in[1], &bias = c.in[2], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const std::int64_t rows = x.count(0, axis), n = x.count(axis);
  const bool rms = c.attribute(2) != 0;
  if (n == 0) return;
  view row = y;  // the axes from `axis` on, to which scale and bias stretch
  row.rank = static_cast<std::uint8_t>(y.rank - axis);
  for (std::size_t i = 0; i < max_rank; ++i) row.dims[i] = i < row.rank ? y.dims[axis + i] : 1;
  const nest<2> loops = broadcast_nest(row, scale, bias);
  visit_real(x.type, [&]<class T>(T) {
    for_runs(c.exec, rows, row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* const from = x.as<const T>() + r * n;
        T* const to = y.as<T>() + r * n;
        const auto s = norm_impl::measure(from, static_cast<std::size_t>(n), static_cast<T>(c.attribute_f32(1)), rms);
        if (c.outputs > 1) c.out[1].as<T>()[r] = s.mean;
        if (c.outputs > 2) c.out[2].as<T>()[r] = s.inverse;
        const T mean = s.mean, inverse = s.inverse;
        loops.run({}, [&](std::int64_t at, const std::array<std::int64_t, 2>& offset, std::int64_t count) {
          const T one{1}, zero{};
          const T* const factor = scale ? scale.as<const T>() + offset[0] : &one;
          const T* const add = bias ? bias.as<const T>() + offset[1] : &zero;
          const std::int64_t sf = scale ? loops.step(0) : 0, sa = bias ? loops.step(1) : 0;
          const T* const in = from + at;
          T* const out = to + at;
          with_avx2([ =, &c ]() __attribute__((always_inline)) {
            static_cast<void>(c);
            if (sf == 1 && sa == 1)
              for (std::int64_t i = 0; i < count; ++i) out[i] = (in[i] - mean) * inverse * factor[i] + add[i];
            else
              for (std::int64_t i = 0; i < count; ++i) out[i] = (in[i] - mean) * inverse * factor[i * sf] + add[i * sa];
          });
        });
      }
    });
  });
}

/// Attributes: groups, epsilon. Inputs: x (N, C, ..), scale and bias of C or of groups elements.
inline void nd_group_norm(const call& c) noexcept {
  const view &x = c.in[0], &scale = c.in[1], &bias = c.in[2], &y = c.out[0];
  const std::int64_t groups = c.attribute(0), channels = x.dims[1], per_group = channels / groups;
  const std::int64_t plane = x.count(2), n = per_group * plane;
  if (n == 0) return;
  visit_real(x.type, [&]<class T>(T) {
    const auto element = [&](const view& v, std::int64_t channel, T otherwise) {
      if (!v) return otherwise;
      return v.as<const T>()[v.dims[0] == channels ? channel : channel / per_group];
    };
    for_runs(c.exec, x.dims[0] * groups, row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* const from = x.as<const T>() + r * n;
        T* const to = y.as<T>() + r * n;
        const auto s = norm_impl::measure(from, static_cast<std::size_t>(n), static_cast<T>(c.attribute_f32(1)), false);
        for (std::int64_t k = 0; k < per_group; ++k) {
          const std::int64_t channel = r % groups * per_group + k;
          const T factor = s.inverse * element(scale, channel, T{1}), add = element(bias, channel, T{0}), mean = s.mean;
          for (std::int64_t i = k * plane; i < (k + 1) * plane; ++i) to[i] = (from[i] - mean) * factor + add;
        }
      }
    });
  });
}

inline std::size_t nd_lp_norm_scratch(const call& c) noexcept {
  return reduce_impl::permuted_bytes(c.in[0], 1u << c.attribute(0));
}

/// y = x / norm along an axis; 0 where the norm is. Attributes: axis, p (1 or 2).
inline void nd_lp_norm(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const std::int64_t n = x.dims[axis], inner = x.count(axis + 1);
  const reduce_fn f = c.attribute(1) == 1 ? reduce_fn::l1 : reduce_fn::l2;
  if (x.count() == 0) return;
  visit_real(x.type, [&]<class T>(T) {
    reduce_impl::each_row<T>(c, x, 1u << axis, x.count() / n, [&](std::int64_t r, const T* row, std::size_t count) {
      const T norm = reduce_impl::row(f, row, count);
      T* const out = y.as<T>() + r / inner * n * inner + r % inner;
      for (std::size_t i = 0; i < count; ++i)
        out[static_cast<std::int64_t>(i) * inner] = norm == T{0} ? T{0} : row[i] / norm;
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
