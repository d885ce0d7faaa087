// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Sequences of tensors, as exporters make them of lists. Their lengths and the places in them must be known, so that
/// nothing is left of them in the graph.
namespace dsmm::inline DSMM_ABI::convert {

namespace sequence_impl {

/// Input i as a place below `end` in a sequence of n, or `otherwise` if it is absent; negative ones count from behind
/// the last element.
inline std::int64_t place(node_scope& s, std::size_t i, std::int64_t n, std::int64_t end, std::int64_t otherwise) {
  if (!s.has(i)) return otherwise;
  const dim_list given = s.constant(i, "a place in a sequence must be known when the model is imported");
  if (s.to.failed()) return 0;
  const std::int64_t at = given.size() != 1 ? -1 : given[0] < 0 ? given[0] + n : given[0];
  if (at < 0 || at >= end) s.fail(errc::bad_index, "a place lies outside the sequence");
  return at;
}

}  // namespace sequence_impl

inline void lower_sequence_construct(node_scope& s) {  // without inputs: SequenceEmpty
  std::vector<var> parts;
  for (std::size_t i = 0; i < s.inputs(); ++i) parts.push_back(s.in(i));
  s.out[0] = s.to.sequence(parts);
}

inline void lower_sequence_at(node_scope& s) {
  const std::vector<var> parts = s.sequence(0);
  const auto n = static_cast<std::int64_t>(parts.size());
  const std::int64_t at = sequence_impl::place(s, 1, n, n, -1);
  if (!s.to.failed() && at < 0) return s.fail(errc::bad_value, "SequenceAt: the place is missing");
  if (!s.to.failed()) s.out[0] = parts[static_cast<std::size_t>(at)];
}

inline void lower_sequence_insert(node_scope& s) {
  std::vector<var> parts = s.sequence(0);
  const auto n = static_cast<std::int64_t>(parts.size());
  const std::int64_t at = sequence_impl::place(s, 2, n, n + 1, n);
  if (s.to.failed()) return;
  parts.insert(parts.begin() + at, s.in(1));
  s.out[0] = s.to.sequence(parts);
}

inline void lower_sequence_erase(node_scope& s) {
  std::vector<var> parts = s.sequence(0);
  const auto n = static_cast<std::int64_t>(parts.size());
  const std::int64_t at = sequence_impl::place(s, 1, n, n, n - 1);
  if (!s.to.failed() && at < 0) return s.fail(errc::bad_index, "SequenceErase: the sequence is empty");
  if (s.to.failed()) return;
  parts.erase(parts.begin() + at);
  s.out[0] = s.to.sequence(parts);
}

inline void lower_sequence_length(node_scope& s) {
  const std::vector<var> parts = s.sequence(0);
  s.out[0] = s.to.integer(static_cast<std::int64_t>(parts.size()));
}

/// Parts of equal size, the last one maybe smaller; of the given sizes; or single elements, with or without their axis.
inline void lower_split_to_sequence(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  dim_list sizes{1};
  if (s.has(1)) sizes = s.constant(1, "SplitToSequence: sizes must be known when the model is imported");
  if (s.to.failed()) return;
  const bool drops = !s.has(1) && !s.flag("keepdims", true);
  const std::int64_t n = x.dim(axis);
  if (!s.has(1) || s.in(1).rank() == 0) {
    const std::int64_t each = sizes.at(0);
    if (each < 1) return s.fail(errc::bad_value, "SplitToSequence: a part must have elements");
    sizes.clear();
    if (n / each >= static_cast<std::int64_t>(onnx::max_nodes))
      return s.fail(errc::too_large, "SplitToSequence: the parts would be too many");
    for (std::int64_t at = 0; at < n; at += each) sizes.push_back(std::min(each, n - at));
  }
  std::vector<var> parts;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0 || size > n - start) return s.fail(errc::shape_mismatch, "SplitToSequence: the parts are too large");
    var part = slice(x, axis, start, size);
    dim_list dims = part.dims();
    if (drops && !s.to.failed()) dims.erase(dims.begin() + axis);
    parts.push_back(s.to.reshape(part, dims));
    start += size;
  }
  if (start != n) return s.fail(errc::shape_mismatch, "SplitToSequence: the parts do not make up the input");
  s.out[0] = s.to.sequence(parts);
}

inline void lower_concat_from_sequence(node_scope& s) {
  std::vector<var> parts = s.sequence(0);
  if (!s.to.failed() && parts.empty()) return s.fail(errc::unsupported, "ConcatFromSequence: the sequence is empty");
  if (s.to.failed()) return;
  const bool stacks = s.flag("new_axis");
  const std::int64_t axis = s.axis("axis", 0, parts[0].rank() + (stacks ? 1 : 0));
  for (var& p : parts)
    if (stacks && !s.to.failed()) {
      if (p.rank() != parts[0].rank() && p.rank() + 1 != parts[0].rank())
        return s.fail(errc::shape_mismatch, "inputs have different ranks");
      p = unsqueeze(p, axis);
    }
  if (!s.to.failed()) s.out[0] = concat(s.to, parts, axis);
}

inline constexpr lowering sequence_lowerings[] = {
    {"", "ConcatFromSequence", lower_concat_from_sequence},
    {"", "SequenceAt", lower_sequence_at},
    {"", "SequenceConstruct", lower_sequence_construct},
    {"", "SequenceEmpty", lower_sequence_construct},
    {"", "SequenceErase", lower_sequence_erase},
    {"", "SequenceInsert", lower_sequence_insert},
    {"", "SequenceLength", lower_sequence_length},
    {"", "SplitToSequence", lower_split_to_sequence},
};

/// Operators that may be given sequences.
inline bool takes_sequences(std::string_view op) noexcept {
  return op == "Identity" || op == "ConcatFromSequence" ||
         (op.starts_with("Sequence") && op != "SequenceConstruct" && op != "SequenceEmpty");
}

}  // namespace dsmm::inline DSMM_ABI::convert
