// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/attention.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// What an attention adds to its scores, each distinct window of it once.
struct attention_bias {
  std::int64_t kinds = 0, heads = 1;  ///< heads 1: the same for all
  std::vector<float> values{};        ///< (kinds, heads, Tq, Tk)
  std::vector<std::int32_t> kind{};   ///< of each window
};

namespace attention_bias_impl {

/// total += the constant, broadcast to `dims`.
inline void add(const lowered_value& constant, const dim_list& dims, std::span<float> total) {
  const std::span<const float> values = floats_of(constant);
  std::vector<std::size_t> step(dims.size(), 0);  // of the constant, per dimension of the result
  std::size_t stride = 1;
  for (std::size_t i = 0; i < constant.dims.size(); ++i) {
    const auto extent = static_cast<std::size_t>(constant.dims[constant.dims.size() - 1 - i]);
    step[dims.size() - 1 - i] = extent == 1 ? 0 : stride;
    stride *= extent;
  }
  std::vector<std::int64_t> at(dims.size(), 0);
  std::size_t from = 0;
  for (float& t : total) {
    t += values[from];
    for (std::size_t d = dims.size(); d-- > 0;) {
      from += step[d];
      if (++at[d] < dims[d]) break;
      from -= step[d] * static_cast<std::size_t>(dims[d]);
      at[d] = 0;
    }
  }
}

/// The same for all heads: one of them stays.
inline void join_heads(attention_bias& b, std::size_t one) {
  const std::size_t heads = static_cast<std::size_t>(b.heads);
  for (std::size_t i = 0; i < b.values.size(); ++i)
    if (b.values[i] != b.values[i / (heads * one) * heads * one + i % one]) return;
  std::vector<float> joined;
  for (std::size_t k = 0; k < static_cast<std::size_t>(b.kinds); ++k) {
    const auto first = b.values.begin() + static_cast<std::ptrdiff_t>(k * heads * one);
    joined.insert(joined.end(), first, first + static_cast<std::ptrdiff_t>(one));
  }
  b.heads = 1;
  b.values = std::move(joined);
}

}  // namespace attention_bias_impl

/// Nothing for a bias that is not a number somewhere, that takes more than 2^26 values, or more than 2^24 once windows
/// and heads share it.
inline std::optional<attention_bias> bias_of(const lowered_graph& g, const attention_pattern& p) {
  attention_bias b;
  b.kind.assign(static_cast<std::size_t>(p.windows), 0);
  const auto adds = [&](std::size_t i) { return quantize_impl::added_constant(g, g.ops[i]); };
  if (std::none_of(p.between.begin(), p.between.end(), [&](std::size_t i) { return adds(i).has_value(); })) {
    b.kinds = 1;
    return b;
  }
  const std::int64_t all = count_of({p.windows, p.heads, p.queries, p.keys});
  if (all < 0 || all > std::int64_t{1} << 26) return std::nullopt;
  const auto one = static_cast<std::size_t>(p.queries * p.keys), window = one * static_cast<std::size_t>(p.heads);
  std::vector<float> total(static_cast<std::size_t>(all), 0.0f);
  for (const std::size_t i : p.between)
    if (const auto constant = adds(i))
      attention_bias_impl::add(g.values[g.ops[i].inputs[*constant]], g.values[g.ops[i].outputs[0]].dims, total);
  b.heads = p.heads;
  if (std::any_of(total.begin(), total.end(), [](float v) { return std::isnan(v); })) return std::nullopt;
  for (std::size_t w = 0; w < static_cast<std::size_t>(p.windows); ++w) {
    const float* const from = total.data() + w * window;
    std::int64_t kind = 0;
    while (kind < b.kinds &&
           std::memcmp(b.values.data() + static_cast<std::size_t>(kind) * window, from, window * sizeof(float)) != 0)
      ++kind;
    if (kind == b.kinds) {
      b.values.insert(b.values.end(), from, from + window);
      ++b.kinds;
    }
    b.kind[w] = static_cast<std::int32_t>(kind);
  }
  attention_bias_impl::join_heads(b, one);
  if (b.values.size() > std::size_t{1} << 24) return std::nullopt;
  return b;
}

}  // namespace dsmm::inline DSMM_ABI::convert
