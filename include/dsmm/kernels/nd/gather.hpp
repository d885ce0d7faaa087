// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Reading by index. An index counts from the end if negative; one outside reads the nearest element instead.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// Any s64 to [0, n), n > 0.
constexpr std::int64_t clamped_index(std::int64_t i, std::int64_t n) noexcept {
  if (i < 0) i = i < -n ? 0 : i + n;
  return i < n ? i : n - 1;
}

/// Attribute: axis. Inputs: x, indices of any rank.
inline void nd_gather(const call& c) noexcept {
  const view &x = c.in[0], &index = c.in[1], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const std::int64_t outer = x.count(0, axis), n = x.dims[axis], count = index.count();
  const std::int64_t bytes = x.count(axis + 1) * static_cast<std::int64_t>(size_of(x.type));
  if (bytes == 0) return;
  for_runs(c.exec, outer * count, row_grain(bytes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t at = clamped_index(index_at(index.data, index.type, r % count), n);
      std::memcpy(y.data + r * bytes, x.data + (r / count * n + at) * bytes, static_cast<std::size_t>(bytes));
    }
  });
}

/// Attribute: axis. y[i..] = x[i.. with index[i..] on the axis].
inline void nd_gather_elements(const call& c) noexcept {
  const view &x = c.in[0], &index = c.in[1], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const extent_list strides = dense_strides(x);
  visit_size(x.type, [&]<class T>(T) {
    for_runs(c.exec, y.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t e = begin; e < end; ++e) {
        std::int64_t rest = e, from = 0;
        for (std::size_t i = y.rank; i-- > 0; rest /= y.dims[i])
          from += (i == axis ? clamped_index(index_at(index.data, index.type, e), x.dims[i]) : rest % y.dims[i]) *
                  strides[i];
        y.as<T>()[e] = x.as<const T>()[from];
      }
    });
  });
}

/// Attribute: batch axes. The last axis of the indices holds a position in the axes behind the batch ones.
inline void nd_gather_nd(const call& c) noexcept {
  const view &x = c.in[0], &index = c.in[1], &y = c.out[0];
  const auto batch = static_cast<std::size_t>(c.attribute(0));
  const auto depth = static_cast<std::size_t>(index.dims[index.rank - 1u]);
  const std::int64_t rows = index.count(0, index.rank - 1u);
  const std::int64_t per_batch = index.count(batch, index.rank - 1u), size = x.count(batch);
  const std::int64_t bytes = x.count(batch + depth) * static_cast<std::int64_t>(size_of(x.type));
  if (bytes == 0) return;
  const extent_list strides = dense_strides(x);
  for_runs(c.exec, rows, row_grain(bytes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t from = r / per_batch * size;
      for (std::size_t d = 0; d < depth; ++d)
        from += clamped_index(index_at(index.data, index.type,
                                       r * static_cast<std::int64_t>(depth) + static_cast<std::int64_t>(d)),
                              x.dims[batch + d]) *
                strides[batch + d];
      std::memcpy(y.data + r * bytes, x.data + from * static_cast<std::int64_t>(size_of(x.type)),
                  static_cast<std::size_t>(bytes));
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
