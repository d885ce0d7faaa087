// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/builder.hpp"
#include "dsmm/convert/onnx_graph.hpp"
#include "dsmm/convert/onnx_tensor.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// One ONNX node while it is lowered: its inputs as values, its attributes with their defaults, its outputs to fill.
/// A lowering reads attributes, calls builder functions, and assigns out[i]; failures stick to the builder.
class node_scope {
public:
  node_scope(builder& to_builder, const onnx::node& source, std::int64_t opset_version, std::span<const var> inputs)
      : to(to_builder),
        node(source),
        opset(opset_version),
        in_(inputs.begin(), inputs.end()),
        out(std::max<std::size_t>(source.outputs.size(), 1)) {}

  builder& to;
  const onnx::node& node;
  const std::int64_t opset;  ///< version of the node's domain

  std::size_t inputs() const noexcept { return in_.size(); }
  bool has(std::size_t i) const noexcept { return i < in_.size() && in_[i]; }
  /// An optional input, or nothing.
  var optional(std::size_t i) const noexcept { return i < in_.size() ? in_[i] : var{}; }
  /// A required input; without it the builder fails.
  var in(std::size_t i) {
    if (has(i)) return in_[i];
    return to.fail(errc::bad_value, "a required input is missing");
  }
  /// The values of a required input that is a sequence.
  std::vector<var> sequence(std::size_t i) {
    const var x = in(i);
    if (!to.failed() && !x.is_sequence()) to.fail(errc::dtype_mismatch, "an input must be a sequence");
    std::vector<var> parts;
    if (!to.failed())
      for (const std::uint32_t id : *x.value().elements) parts.push_back({&to, id});
    return parts;
  }
  /// True if somebody may read output i.
  bool wants(std::size_t i) const noexcept { return i < node.outputs.size() && !node.outputs[i].empty(); }

  bool has_attribute(std::string_view name) const noexcept { return node.find(name) != nullptr; }
  std::int64_t integer(std::string_view name, std::int64_t otherwise) {
    const onnx::attribute* a = typed(name, onnx::attribute_kind::integer);
    return a == nullptr ? otherwise : a->integer;
  }
  bool flag(std::string_view name, bool otherwise = false) { return integer(name, otherwise ? 1 : 0) != 0; }
  float real(std::string_view name, float otherwise) {
    const onnx::attribute* a = typed(name, onnx::attribute_kind::real);
    return a == nullptr ? otherwise : a->real;
  }
  std::string_view text(std::string_view name, std::string_view otherwise) {
    const onnx::attribute* a = typed(name, onnx::attribute_kind::text);
    return a == nullptr ? otherwise : a->text;
  }
  dim_list integers(std::string_view name, const dim_list& otherwise = {}) {
    const onnx::attribute* a = typed(name, onnx::attribute_kind::integers);
    return a == nullptr ? otherwise : a->integers;
  }
  std::span<const float> reals(std::string_view name) {
    const onnx::attribute* a = typed(name, onnx::attribute_kind::reals);
    return a == nullptr ? std::span<const float>() : std::span<const float>(a->reals);
  }
  const onnx::tensor* tensor(std::string_view name) {
    const onnx::attribute* a = typed(name, onnx::attribute_kind::tensor);
    return a == nullptr ? nullptr : a->tensor.get();
  }

  /// An axis counted from the front, in [0, rank); or in [0, rank] if it may stand behind the last.
  std::int64_t axis(std::int64_t value, std::int64_t rank, bool may_end = false) {
    if (value < 0) value += rank;
    if (value >= 0 && value < rank + (may_end ? 1 : 0)) return value;
    to.fail(errc::bad_value, "attribute axis is outside the input's dimensions");
    return 0;
  }
  std::int64_t axis(std::string_view name, std::int64_t otherwise, std::int64_t rank) {
    return axis(integer(name, otherwise), rank);
  }

  /// The integers of an input that must be known, e.g. a shape.
  dim_list constant(std::size_t i, const char* text) {
    const var x = in(i);
    if (!to.require_constant(x, text)) return {};
    if (!is_integer(x.type()) && x.type() != dtype::b8) {
      to.fail(errc::dtype_mismatch, "an input must be of integers");
      return {};
    }
    return integers_of(x);
  }
  /// A list that old operator sets have as an attribute and new ones as an optional input.
  std::optional<dim_list> list(std::string_view attribute, std::size_t input, const char* text) {
    if (has(input)) return constant(input, text);
    if (!has_attribute(attribute)) return std::nullopt;
    return integers(attribute);
  }
  /// Axes, each once, counted from the front.
  dim_list axes(const dim_list& given, std::int64_t rank) {
    dim_list found;
    std::uint64_t seen = 0;
    for (const std::int64_t a : given) {
      const std::int64_t k = axis(a, rank);
      if (seen >> k & 1) to.fail(errc::bad_value, "attribute axes names a dimension twice");
      seen |= std::uint64_t{1} << k;
      found.push_back(k);
    }
    return found;
  }

  void fail(errc code, const char* text) { to.fail(code, text); }

private:
  const onnx::attribute* typed(std::string_view name, onnx::attribute_kind kind) {
    const onnx::attribute* a = node.find(name);
    if (a == nullptr || a->kind == kind) return a;
    to.fail(errc::bad_value, "an attribute has the wrong type");
    return nullptr;
  }

  std::vector<var> in_;

public:
  std::vector<var> out;

  /// An output of which only the first `length` (a scalar) elements along an axis mean something.
  struct open_length {
    std::size_t output;
    std::int64_t axis;
    var length;
  };
  std::vector<open_length> lengths;
};

/// One row of the tables in lower/: how nodes of one operator become general operators.
struct lowering {
  std::string_view domain, op;
  void (*lower)(node_scope&);
};

inline constexpr std::string_view microsoft = "com.microsoft", classic = "ai.onnx.ml";

}  // namespace dsmm::inline DSMM_ABI::convert
