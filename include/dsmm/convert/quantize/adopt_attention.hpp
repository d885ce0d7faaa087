// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/pass/rewriter.hpp"
#include "dsmm/convert/quantize/attention.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/kernels/attention.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// What v is made of by functions of one value and copies, as it reaches the first function.
inline std::uint32_t behind_functions(rewriter& r, std::uint32_t v) {
  std::uint32_t at = v;
  for (const lowered_op* p = r.producer(at); p != nullptr; p = r.producer(at)) {
    const bool binary = p->kind == op_kind::nd_binary;
    if (!binary && p->kind != op_kind::nd_unary && p->kind != op_kind::nd_copy) break;
    const bool number_first = binary && r.number(p->inputs[0]).has_value();
    if (binary && number_first == r.number(p->inputs[1]).has_value()) break;
    at = p->inputs[number_first ? 1 : 0];
    if (p->kind != op_kind::nd_copy) v = at;
  }
  return v;
}

/// Makes three products of one that makes q, k and v together. Returns each part and the value that it is a part of,
/// which has the same grid. Nothing moves in the scale of scores: where it is multiplied decides what is rounded.
inline std::vector<std::pair<std::uint32_t, std::uint32_t>> split_parts(lowered_graph& g) {
  rewriter r(g);
  part_splitter parts(r);
  for (const attention_pattern& p : find_attention(g, true))
    for (const std::uint32_t v : {p.q, p.k, p.v}) parts.split(behind_functions(r, v), p.heads * p.depth);
  auto whole_of = parts.whole_of();
  parts.finish();
  return whole_of;
}

/// Whether the integer op can say the same with these grids: with the rounding of scores and probabilities that a
/// model has, or without any, and then with the scale that it means.
inline bool fits_attention(const attention_pattern& p, const quantization& q, const quantization& k,
                           const quantization& v, const quantization& y,
                           const std::optional<attention_grids>& rounding) {
  const auto depth = static_cast<std::int32_t>(p.heads * p.depth);
  kernels::attention_factors f;
  f.heads = static_cast<std::int32_t>(p.heads);
  if (!rounding) return std::abs(p.ratio - 1.0) <= 1e-5 && kernels::make_attention_factors(depth, q, k, v, y, f);
  return rounding->probabilities.scale >= 0x1p-16f && rounding->factor > 0 &&
         kernels::make_rounded_attention_factors(depth, q, k, v, y, rounding->scores.scale / rounding->factor,
                                                 rounding->probabilities.scale, f);
}

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
