// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/attention.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// An attention layer cut into tasks of about 2^20 multiply-adds, at most 32 of them: each needs memory for rows of
/// scores, so that more would make it quadratic in the number of steps. The cut depends on the shape alone.
struct tasks_of_heads {
  static constexpr std::int32_t block = 48;  ///< queries, a multiple of what kernels take at once
  std::int32_t heads = 1, queries = 1, units = 1;
  std::uint32_t count = 1;

  static tasks_of_heads of(const kernels::attention_call& call) noexcept {
    tasks_of_heads t;
    t.heads = call.factors.heads;
    t.queries = call.queries();
    t.units = t.heads * ((t.queries + block - 1) / block);
    const std::int64_t work = std::int64_t{call.queries()} * call.keys() * call.q.shape.c * 2;
    t.count = static_cast<std::uint32_t>(std::clamp<std::int64_t>(work >> 20, 1, std::min(t.units, 32)));
    return t;
  }

  /// f(head, first query, last query) for all parts of task i, head after head.
  template <class F>
  void each(std::uint32_t i, F&& f) const noexcept {
    const std::int32_t blocks = units / heads;
    const auto from = [&](std::uint32_t n) { return static_cast<std::int32_t>(std::int64_t{units} * n / count); };
    for (std::int32_t u = from(i); u < from(i + 1); ++u) {
      const std::int32_t begin = u % blocks * block;
      f(u / blocks, begin, std::min(begin + block, queries));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
