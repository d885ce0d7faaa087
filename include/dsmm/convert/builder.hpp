// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/fold.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert {

class builder;

/// A value of the graph under construction; or nothing, for an input that a node does not have.
struct var {
  builder* to = nullptr;
  std::uint32_t id = no_value;

  explicit operator bool() const noexcept { return id != no_value; }
  inline const lowered_value& value() const noexcept;
  dtype type() const noexcept { return value().type; }
  const dim_list& dims() const noexcept { return value().dims; }
  std::int64_t rank() const noexcept { return static_cast<std::int64_t>(dims().size()); }
  /// 1 where there is no such axis: after a failure a value may be of any rank.
  std::int64_t dim(std::int64_t axis) const noexcept {
    return axis >= 0 && axis < rank() ? dims()[static_cast<std::size_t>(axis)] : 1;
  }
  std::int64_t count() const noexcept { return count_of(dims()); }
  bool is_constant() const noexcept { return value().is_constant; }
  bool is_sequence() const noexcept { return value().elements != nullptr; }
};

/// Appends general operators to a graph, inferring shapes and folding what is constant on the way.
/// The first failure sticks: later calls return values that nobody will use, and error() tells.
class builder {
public:
  /// fold_budget: bytes of constants that folding may make, so that a small file cannot ask for much memory.
  /// general: where folding finds the kernels, ops::nd::find_definition.
  /// adopt: keep quantized layers as real ones between conversions, for adopt_grids().
  builder(std::uint64_t fold_budget, ops::find_operator general, bool adopt = false)
      : fold_budget_(fold_budget), general_(general), adopts_(adopt) {
    graph_.values.emplace_back();
  }

  lowered_graph& graph() noexcept { return graph_; }
  bool adopts() const noexcept { return adopts_; }
  /// Who wrote the file, as it says: where exporters and ONNX mean different things.
  void set_producer(std::string_view name) { from_pytorch_ = name == "pytorch"; }
  bool from_pytorch() const noexcept { return from_pytorch_; }
  void set_scales(var constant, constant_scales&& scales) {
    if (!failed() && constant.is_constant())
      graph_.values[constant.id].scales = std::make_shared<const constant_scales>(std::move(scales));
  }
  const lowered_value& value(std::uint32_t id) const noexcept {
    return graph_.values[id < graph_.values.size() ? id : 0];
  }

  bool failed() const noexcept { return error_.code != errc::ok; }
  const failure& error() const noexcept { return error_; }
  void clear_error() noexcept { error_ = {}; }
  /// Inputs of the graph whose elements an import would have to know.
  std::uint64_t needed() const noexcept { return needed_; }
  void name_ops(std::string name) { op_name_ = std::move(name); }

  var fail(errc code, const char* text) noexcept {
    if (!failed()) error_ = failure{code, text};
    return {this, 0};
  }

  var input(std::string name, dtype type, dim_list dims) {
    lowered_value v{type, std::move(dims)};
    v.is_input = true;
    v.name = std::move(name);
    v.roots = std::uint64_t{1} << std::min<std::size_t>(graph_.inputs.size(), 63);
    if (!fits(v.type, v.dims)) return {this, 0};
    const var out = push(std::move(v));
    graph_.inputs.push_back({value(out.id).name, out.id});
    return out;
  }

  /// A constant whose bytes outlive the builder, or are kept by `owned`.
  var constant(dtype type, dim_list dims, std::span<const std::byte> bytes,
               std::shared_ptr<const std::vector<std::byte>> owned = {}) {
    lowered_value v{type, std::move(dims)};
    v.is_constant = true;
    v.bytes = bytes;
    v.owned = std::move(owned);
    return push(std::move(v));
  }
  var constant(dtype type, dim_list dims, std::vector<std::byte>&& bytes) {
    auto kept = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    const std::span<const std::byte> view(*kept);
    return constant(type, std::move(dims), view, std::move(kept));
  }
  template <class T>
  var constant(dtype type, dim_list dims, std::span<const T> values) {
    const auto b = std::as_bytes(values);
    return constant(type, std::move(dims), std::vector<std::byte>(b.begin(), b.end()));
  }
  var integers(std::span<const std::int64_t> values) {
    return constant(dtype::s64, {static_cast<std::int64_t>(values.size())}, values);
  }
  var integers(std::initializer_list<std::int64_t> values) {
    return integers(std::span(values.begin(), values.size()));
  }
  var integer(std::int64_t v) { return constant(dtype::s64, {}, std::span<const std::int64_t>(&v, 1)); }

  /// A list of values that exists only while a model is imported.
  var sequence(std::span<const var> parts) {
    if (parts.size() > sequence_budget_) return fail(errc::too_large, "the sequences of the model are too long");
    sequence_budget_ -= parts.size();
    std::vector<std::uint32_t> ids;
    for (const var& p : parts) ids.push_back(p.id);
    lowered_value v;
    v.elements = std::make_shared<const std::vector<std::uint32_t>>(std::move(ids));
    return push(std::move(v));
  }

  /// The same elements in the same order with other extents. Costs nothing until an op needs the new extents.
  var reshape(var x, dim_list dims) {
    if (failed()) return x;
    if (count_of(dims) != x.count())
      return fail(errc::shape_mismatch, "the number of elements would change in a reshape");
    if (dims == x.dims()) return x;
    const lowered_value& from = x.value();
    if (from.is_constant) {
      const auto scales = from.scales;
      const var same = constant(from.type, std::move(dims), from.bytes, from.owned);
      if (scales && scales->scale.size() == 1) set_scales(same, constant_scales(*scales));
      return same;
    }
    lowered_value v{from.type, std::move(dims)};
    v.same_as = from.same_as == no_value ? x.id : from.same_as;
    v.roots = from.roots;
    return push(std::move(v));
  }

  /// Appends an op and returns its outputs; constants if it could be folded.
  std::vector<var> emit(op_kind kind, std::span<const var> inputs, std::span<const std::int32_t> attributes,
                        std::span<const value_type> outputs) {
    std::vector<var> out;
    bool all_constant = true, all_empty = true;
    std::uint64_t roots = 0, bytes = 0;
    for (const var& x : inputs)
      if (x) all_constant = all_constant && x.is_constant(), roots |= x.value().roots;
    for (const value_type& t : outputs) {
      if (failed() || !fits(t.type, t.dims)) return std::vector<var>(outputs.size(), var{this, 0});
      all_empty = all_empty && count_of(t.dims) == 0;
      bytes += static_cast<std::uint64_t>(count_of(t.dims)) * size_of(t.type);
    }
    if (all_empty) {
      for (const value_type& t : outputs) out.push_back(constant(t.type, t.dims, std::vector<std::byte>()));
      return out;
    }
    lowered_op op{kind, op_name_, {}, {}, {attributes.begin(), attributes.end()}};
    for (const var& x : inputs)
      op.inputs.push_back(!x ? no_value : kind == op_kind::nd_copy ? source(x.id) : materialized(x.id));
    if (all_constant && bytes <= fold_budget_) {
      if (const std::uint64_t cost = cost_of(graph_, op, outputs); cost <= work_budget_) {
        fold_budget_ -= bytes;
        work_budget_ -= cost;
        return fold(op, outputs);
      }
    }
    for (const value_type& t : outputs) {
      lowered_value v{t.type, t.dims};
      v.roots = roots;
      out.push_back(push(std::move(v)));
      op.outputs.push_back(out.back().id);
    }
    graph_.ops.push_back(std::move(op));
    return out;
  }
  var emit(op_kind kind, std::initializer_list<var> inputs, std::initializer_list<std::int32_t> attributes, dtype type,
           dim_list dims) {
    const value_type t{type, std::move(dims)};
    return emit(kind, std::span(inputs.begin(), inputs.size()), std::span(attributes.begin(), attributes.size()),
                std::span(&t, 1))[0];
  }

  /// True if x is a constant; else the failure says what the importer would have to know.
  bool require_constant(var x, const char* text) noexcept {
    if (failed()) return false;
    if (x && x.is_constant()) return true;
    if (x) needed_ |= x.value().roots;
    fail(errc::unsupported, text);
    return false;
  }

  /// The value with extents of its own: where a reshape meets an op that looks at extents.
  std::uint32_t materialized(std::uint32_t id) {
    if (value(id).same_as == no_value) return id;
    for (const auto& [alias, copy] : copies_)
      if (alias == id) return copy;
    const dim_list dims = value(id).dims;
    if (!fits(value(id).type, dims)) return 0;
    lowered_value v{value(id).type, dims};
    v.roots = value(id).roots;
    const var out = push(std::move(v));
    lowered_op op{op_kind::nd_copy, op_name_, {value(id).same_as}, {out.id}, std::vector<std::int32_t>(7, 0)};
    std::int64_t stride = 1;
    for (std::size_t i = dims.size(); i-- > 0; stride *= dims[i])
      op.attributes[1 + i] = static_cast<std::int32_t>(stride);
    graph_.ops.push_back(std::move(op));
    copies_.emplace_back(id, out.id);
    return out.id;
  }

private:
  std::uint32_t source(std::uint32_t id) const noexcept {
    return value(id).same_as == no_value ? id : value(id).same_as;
  }

  /// Extents whose product, zeros left out, is beyond 2^48 would overflow what is computed from them.
  static bool is_sane(const dim_list& dims) noexcept {
    std::int64_t n = 1;
    for (const std::int64_t d : dims)
      if (d < 0 || (d != 0 && __builtin_mul_overflow(n, d, &n)) || n > std::int64_t{1} << 48) return false;
    return true;
  }

  var push(lowered_value&& v) {
    if (!is_sane(v.dims)) return fail(errc::too_large, "a tensor would be larger than a model may have");
    graph_.values.push_back(std::move(v));
    return {this, static_cast<std::uint32_t>(graph_.values.size() - 1)};
  }

  bool fits(dtype, const dim_list& dims) noexcept {
    const std::int64_t n = is_sane(dims) ? count_of(dims) : -1;
    bool small = n >= 0 && n <= static_cast<std::int64_t>(format::max_elements);
    for (const std::int64_t d : dims) small = small && d <= format::max_extent;
    if (!small) fail(errc::too_large, "a tensor would be larger than a model may have");
    else if (dims.size() > format::max_rank) fail(errc::unsupported, "a tensor would have more than 6 dimensions");
    return !failed();
  }

  std::vector<var> fold(const lowered_op& op, std::span<const value_type> outputs) {
    std::vector<var> out(outputs.size(), var{this, 0});
    auto results = evaluate(graph_, op, outputs, general_);
    if (!results) {
      if (!failed()) error_ = results.error();
      return out;
    }
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = constant(outputs[i].type, outputs[i].dims, std::move((*results)[i]));
    return out;
  }

  lowered_graph graph_;
  failure error_;
  std::uint64_t fold_budget_, needed_ = 0;
  std::size_t sequence_budget_ = std::size_t{1} << 22;  ///< elements of all sequences; a loop may grow one by one
  std::uint64_t work_budget_ = std::uint64_t{1} << 28;  ///< multiply-adds and moves of all folding; under a second
  ops::find_operator general_;
  bool adopts_ = false, from_pytorch_ = false;
  std::string op_name_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> copies_;
};

inline const lowered_value& var::value() const noexcept {
  static const lowered_value nothing;
  return to == nullptr ? nothing : to->value(id);
}

/// The elements of a constant of integers. The caller asked require_constant() before.
inline std::vector<std::int64_t> integers_of(var x) {
  const lowered_value& v = x.value();
  std::vector<std::int64_t> out(v.is_constant ? static_cast<std::size_t>(std::max<std::int64_t>(x.count(), 0)) : 0);
  const std::size_t n = size_of(v.type);
  if (v.bytes.size() < out.size() * n || n == 0) return {};
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, v.bytes.data() + i * n, n);
    const unsigned shift = static_cast<unsigned>(64 - 8 * n);
    out[i] =
        is_signed_integer(v.type) ? static_cast<std::int64_t>(bits << shift) >> shift : static_cast<std::int64_t>(bits);
  }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert
