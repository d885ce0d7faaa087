// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// Loops over an output with N strided operands beside it.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// Axes of the output from outside in, with the step of every operand along each; neighbours that run together are
/// merged, so that the innermost axis is as long as it can be.
template <std::size_t N>
struct nest {
  std::size_t rank = 0;
  extent_list dims{};
  std::array<extent_list, N> strides{};

  /// Appends an axis inside of the others.
  void push(std::int64_t dim, const std::array<std::int64_t, N>& step) noexcept {
    if (dim == 1) return;
    if (rank != 0) {
      bool merges = true;
      for (std::size_t n = 0; n < N; ++n) merges = merges && strides[n][rank - 1] == step[n] * dim;
      if (merges) {
        dims[rank - 1] *= dim;
        for (std::size_t n = 0; n < N; ++n) strides[n][rank - 1] = step[n];
        return;
      }
    }
    dims[rank] = dim;
    for (std::size_t n = 0; n < N; ++n) strides[n][rank] = step[n];
    ++rank;
  }

  std::int64_t inner() const noexcept { return rank == 0 ? 1 : dims[rank - 1]; }
  std::int64_t step(std::size_t n) const noexcept { return rank == 0 ? 0 : strides[n][rank - 1]; }
  std::int64_t rows() const noexcept {
    std::int64_t r = 1;
    for (std::size_t i = 0; i + 1 < rank; ++i) r *= dims[i];
    return r;
  }
  /// Where the row starts in each operand.
  std::array<std::int64_t, N> at(std::int64_t row) const noexcept {
    std::array<std::int64_t, N> offset{};
    for (std::size_t i = rank < 2 ? 0 : rank - 1; i-- > 0; row /= dims[i])
      for (std::size_t n = 0; n < N; ++n) offset[n] += row % dims[i] * strides[n][i];
    return offset;
  }

  /// f(offset in the dense output, offsets in the operands, length) for runs of the innermost axis.
  template <class F>
  void run(const executor& exec, F&& f) const noexcept {
    const std::int64_t n = inner(), count = rows();
    if (n == 0 || count == 0) return;
    if (count == 1) {
      for_runs(exec, n, element_grain, [&](std::int64_t begin, std::int64_t end) {
        std::array<std::int64_t, N> offset{};
        for (std::size_t k = 0; k < N; ++k) offset[k] = begin * step(k);
        f(begin, offset, end - begin);
      });
      return;
    }
    for_runs(exec, count, row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) f(r * n, at(r), n);
    });
  }
};

/// The steps of an operand that numpy's rule stretches to y: 0 along axes where it has one element.
inline extent_list broadcast_strides(const view& x, const view& y) noexcept {
  extent_list steps{};
  std::int64_t step = 1;
  for (std::size_t i = 0; i < x.rank; ++i) {
    const std::size_t from = x.rank - 1u - i, to = y.rank - 1u - i;
    steps[to] = x.dims[from] == 1 ? 0 : step;
    step *= x.dims[from];
  }
  return steps;
}

/// y with operands that broadcast to it.
template <class... Views>
nest<sizeof...(Views)> broadcast_nest(const view& y, const Views&... x) noexcept {
  const std::array<extent_list, sizeof...(Views)> steps{broadcast_strides(x, y)...};
  nest<sizeof...(Views)> loops;
  for (std::size_t i = 0; i < y.rank; ++i) {
    std::array<std::int64_t, sizeof...(Views)> step{};
    for (std::size_t n = 0; n < sizeof...(Views); ++n) step[n] = steps[n][i];
    loops.push(y.dims[i], step);
  }
  return loops;
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
