// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/nest.hpp"
#include "dsmm/kernels/nd/transpose_plane.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Kernels that put elements elsewhere and compute nothing.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace move_impl {

template <class T>
void copy_nest(const executor& exec, const nest<1>& loops, const T* x, T* y) noexcept {
  const std::int64_t step = loops.step(0), n = loops.inner();
  if (loops.rank >= 2 && step != 1 && step != 0 && loops.strides[0][loops.rank - 2] != 0) {
    const std::int64_t rows = loops.dims[loops.rank - 2], plane = rows * n;
    if (plane == 0) return;
    const std::int64_t row_step = loops.strides[0][loops.rank - 2];
    // Tasks of whole rows of blocks: a picture alone is a single plane.
    const std::int64_t piece = (std::max<std::int64_t>(element_grain / n, 1) + 15) / 16 * 16;
    const std::int64_t pieces = (rows + piece - 1) / piece;
    const std::int64_t grain = pieces == 1 ? row_grain(plane) : 1;
    for_runs(exec, loops.rows() / rows * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        const std::int64_t p = t / pieces, first = t % pieces * piece;
        transpose_plane(x + loops.at(p * rows)[0] + first * row_step, row_step, step, y + p * plane + first * n,
                        std::min(piece, rows - first), n);
      }
    });
    return;
  }
  loops.run(exec, [&](std::int64_t at, const std::array<std::int64_t, 1>& from, std::int64_t count) {
    const T* const source = x + from[0];
    T* const target = y + at;
    if (step == 1) std::memcpy(target, source, static_cast<std::size_t>(count) * sizeof(T));
    else if (step == 0) std::fill_n(target, count, *source);
    else
      for (std::int64_t i = 0; i < count; ++i) target[i] = source[i * step];
  });
}

}  // namespace move_impl

/// y[i..] = x[offset + sum i_k stride_k]. Attributes: offset, strides.
inline void nd_copy(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  nest<1> loops;
  for (std::size_t i = 0; i < y.rank; ++i) loops.push(y.dims[i], {c.attribute(1 + i)});
  visit_size(x.type,
             [&]<class T>(T) { move_impl::copy_nest(c.exec, loops, x.as<const T>() + c.attribute(0), y.as<T>()); });
}

/// y of the given axes order from x; for kernels that want reduced axes last.
inline void permute(const executor& exec, const view& x, const std::size_t* order, std::size_t rank,
                    std::byte* y) noexcept {
  const extent_list strides = dense_strides(x);
  nest<1> loops;
  for (std::size_t i = 0; i < rank; ++i) loops.push(x.dims[order[i]], {strides[order[i]]});
  visit_size(x.type, [&]<class T>(T) { move_impl::copy_nest(exec, loops, x.as<const T>(), reinterpret_cast<T*>(y)); });
}

/// The index inside [0, n) that a padded position i shows; n > 0. -1 for a constant.
constexpr std::int64_t padded_index(pad_fn mode, std::int64_t i, std::int64_t n) noexcept {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case pad_fn::edge: return i < 0 ? 0 : n - 1;
    case pad_fn::wrap: return (i % n + n) % n;
    case pad_fn::reflect: {
      const std::int64_t period = n == 1 ? 1 : 2 * (n - 1), r = (i % period + period) % period;
      return n == 1 ? 0 : r < n ? r : period - r;
    }
    default: return -1;
  }
}

/// Attributes: mode, elements before the first along each axis (negative ones are cut off). Inputs: x, value.
inline void nd_pad(const call& c) noexcept {
  const auto mode = c.choice<pad_fn>(0);
  const view &x = c.in[0], &y = c.out[0];
  const extent_list strides = dense_strides(x);
  const std::size_t last = y.rank == 0 ? 0 : y.rank - 1u;
  const std::int64_t n = y.rank == 0 ? 1 : y.dims[last], rows = y.count() == 0 ? 0 : y.count() / n;
  visit_size(x.type, [&]<class T>(T) {
    T value{};
    if (c.in[1]) std::memcpy(&value, c.in[1].data, sizeof(T));
    for_runs(c.exec, rows, row_grain(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::int64_t rest = row, from = 0;
        for (std::size_t i = last; i-- > 0 && from >= 0; rest /= y.dims[i]) {
          const std::int64_t at = padded_index(mode, rest % y.dims[i] - c.attribute(1 + i), x.dims[i]);
          from = at < 0 ? -1 : from + at * strides[i];
        }
        T* const out = y.as<T>() + row * n;
        const std::int64_t shift = y.rank == 0 ? 0 : c.attribute(1 + last), width = x.dims[last];
        if (from < 0) {
          std::fill_n(out, n, value);
          continue;
        }
        const T* const in = x.as<const T>() + from;
        const std::int64_t first = std::clamp<std::int64_t>(shift, 0, n);
        const std::int64_t stop = std::clamp<std::int64_t>(shift + width, first, n);
        const auto edge = [&](std::int64_t j) {
          const std::int64_t at = padded_index(mode, j - shift, width);
          return at < 0 ? value : in[at];
        };
        for (std::int64_t j = 0; j < first; ++j) out[j] = edge(j);
        if (stop > first)
          std::memcpy(out + first, in + (first - shift), static_cast<std::size_t>(stop - first) * sizeof(T));
        for (std::int64_t j = stop; j < n; ++j) out[j] = edge(j);
      }
    });
  });
}

/// Attribute: axis.
inline void nd_concat(const call& c) noexcept {
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const view& y = c.out[0];
  const std::int64_t outer = y.count(0, axis), row = y.count(axis) * static_cast<std::int64_t>(size_of(y.type));
  constexpr std::int64_t piece = 1 << 16;  // a picture's channels are one run: cut for threads
  std::int64_t at = 0;
  for (std::uint32_t k = 0; k < c.inputs; ++k) {
    const view& x = c.in[k];
    const std::int64_t bytes = x.count(axis) * static_cast<std::int64_t>(size_of(x.type));
    const std::int64_t pieces = (bytes + piece - 1) / piece;
    for_runs(c.exec, outer * pieces, row_grain(std::min(bytes, piece)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t o = i / pieces, first = i % pieces * piece;
        std::memcpy(y.data + o * row + at + first, x.data + o * bytes + first,
                    static_cast<std::size_t>(std::min(piece, bytes - first)));
      }
    });
    at += bytes;
  }
}

/// Keeps the upper or the lower triangle of each matrix. Attributes: upper, diagonal.
inline void nd_trilu(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const std::int64_t rows = x.dims[x.rank - 2u], columns = x.dims[x.rank - 1u], k = c.attribute(1);
  const bool upper = c.attribute(0) != 0;
  if (x.count() == 0) return;
  visit_size(x.type, [&]<class T>(T) {
    for_runs(c.exec, x.count() / columns, row_grain(columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        for (std::int64_t j = 0; j < columns; ++j) {
          const std::int64_t distance = j - r % rows;
          y.as<T>()[r * columns + j] = (upper ? distance >= k : distance <= k) ? x.as<const T>()[r * columns + j] : T{};
        }
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
