// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/pass/rewriter.hpp"
#include "dsmm/convert/quantize/layout.hpp"
#include "dsmm/convert/quantize/unfuse.hpp"
#include "dsmm/kernels/nd/functions.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// softmax(q k^T * scale + bias) v, batch 1 or windows of one picture: ops of the graph, by their indices.
struct attention_pattern {
  std::size_t scores = 0, softmax = 0, product = 0;
  std::vector<std::size_t> between{};                      ///< of scores and softmax: what adds constants, and reshapes
  std::uint32_t q = no_value, k = no_value, v = no_value;  ///< (.., heads, T, depth); k may be (.., heads, depth, T)
  bool k_turned = false;
  std::int64_t windows = 1, heads = 1, queries = 1, keys = 1, depth = 1;
  double ratio = 1.0;  ///< scale * sqrt(depth): 1 in what the integer op means
};

namespace quantize_impl {

struct head_extents {
  std::int64_t windows = 1, heads = 1, steps = 1, depth = 1;
};

/// Of (.., heads, T, depth), where one dimension before them counts windows and others are 1.
inline std::optional<head_extents> read_heads(const dim_list& d) {
  if (d.size() < 3) return std::nullopt;
  head_extents e{1, d[d.size() - 3], d[d.size() - 2], d[d.size() - 1]};
  for (std::size_t i = 0; i + 3 < d.size(); ++i) {
    if (d[i] != 1 && e.windows != 1) return std::nullopt;
    e.windows *= d[i];
  }
  return e;
}

/// A copy that moves nothing.
inline bool is_reshape(const lowered_graph& g, const lowered_op& op) {
  if (op.kind != op_kind::nd_copy || op.attributes[0] != 0) return false;
  const dim_list& to = g.values[op.outputs[0]].dims;
  std::int64_t stride = 1;
  for (std::size_t i = to.size(); i-- > 0; stride *= to[i])
    if (to[i] != 1 && op.attributes[1 + i] != stride) return false;
  return count_of(g.values[op.inputs[0]].dims) == stride;
}

/// An addition of a constant to a value of the result's extents; the constant's place among the inputs.
inline std::optional<std::size_t> added_constant(const lowered_graph& g, const lowered_op& op) {
  if (!rewriter::is_binary(op, kernels::nd::binary_fn::add)) return std::nullopt;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}})
    if (is_f32_constant(g, op.inputs[i]) && g.values[op.inputs[1 - i]].dims == g.values[op.outputs[0]].dims) return i;
  return std::nullopt;
}

/// A product of two values, with nothing added.
inline bool is_bare_product(const lowered_op* op) {
  return op != nullptr && op->kind == op_kind::nd_matmul && (op->inputs.size() == 2 || op->inputs[2] == no_value) &&
         op->attributes[0] == 0 && op->attributes[4] == 0;
}

/// The pattern that ends in op `index`, a product with a softmax.
inline std::optional<attention_pattern> attention_at(rewriter& r, std::size_t index) {
  const lowered_op& product = r.ops()[index];
  if (!is_bare_product(&product) || product.attributes[1] != 0 || real_of(product.attributes[2]) != 1.0f)
    return std::nullopt;
  const lowered_op* const softmax = r.producer(product.inputs[0]);
  if (softmax == nullptr || softmax->kind != op_kind::nd_softmax || !r.read_once(product.inputs[0]) ||
      softmax->attributes[0] != static_cast<std::int32_t>(kernels::nd::softmax_fn::softmax))
    return std::nullopt;
  attention_pattern p;
  std::uint32_t at = softmax->inputs[0];
  const lowered_op* scores = r.producer(at);
  for (; scores != nullptr && r.read_once(at) && scores->kind != op_kind::nd_matmul; scores = r.producer(at)) {
    const auto constant = added_constant(r.graph(), *scores);
    if (!constant && !is_reshape(r.graph(), *scores)) return std::nullopt;
    p.between.push_back(static_cast<std::size_t>(scores - r.ops().data()));
    at = scores->inputs[constant ? 1 - *constant : 0];
  }
  if (!is_bare_product(scores) || !r.read_once(at)) return std::nullopt;
  std::reverse(p.between.begin(), p.between.end());
  p.product = index;
  p.softmax = static_cast<std::size_t>(softmax - r.ops().data());
  p.scores = static_cast<std::size_t>(scores - r.ops().data());
  p.q = scores->inputs[0], p.k = scores->inputs[1], p.v = product.inputs[1];
  p.k_turned = scores->attributes[1] == 0;
  for (const std::uint32_t v : {p.q, p.k, p.v})
    if (r.value(v).is_constant || r.value(v).type != dtype::f32) return std::nullopt;
  const auto q = read_heads(r.value(p.q).dims), v = read_heads(r.value(p.v).dims);
  auto k = read_heads(r.value(p.k).dims);
  if (!q || !k || !v) return std::nullopt;
  if (p.k_turned) std::swap(k->steps, k->depth);
  p.windows = q->windows, p.heads = q->heads, p.queries = q->steps, p.depth = q->depth, p.keys = k->steps;
  const auto rank = static_cast<std::int32_t>(r.value(softmax->inputs[0]).dims.size());
  p.ratio = std::sqrt(static_cast<double>(p.depth)) * static_cast<double>(real_of(scores->attributes[2]));
  if (k->heads != p.heads || v->heads != p.heads || v->steps != p.keys || k->depth != p.depth || v->depth != p.depth ||
      k->windows != p.windows || v->windows != p.windows || softmax->attributes[1] != rank - 1 || p.depth > 4096 ||
      p.keys > 32'768)
    return std::nullopt;
  return p;
}

/// Moves numbers that multiply the operands of a product, or its result, into its factor: exporters spread the scale of
/// attention over q and k. Copies in between do not matter.
class scale_mover {
public:
  explicit scale_mover(rewriter& r) : r_(r) {}

  void run(lowered_op& softmax) {
    double factor = take(softmax, 0);
    std::uint32_t at = softmax.inputs[0];
    lowered_op* scores = r_.producer(at);
    for (; scores != nullptr && r_.read_once(at); scores = r_.producer(at)) {
      const auto constant = added_constant(r_.graph(), *scores);
      if (constant && factor != 1.0) break;  // it would have to be multiplied too
      if (!constant && !is_reshape(r_.graph(), *scores)) break;
      const std::size_t input = constant ? 1 - *constant : 0;
      if (constant) factor *= take(*scores, input);
      at = scores->inputs[input];
    }
    if (!is_bare_product(scores) || !r_.read_once(at)) return put_back();
    taken_.clear();
    factor *= take(*scores, 0) * take(*scores, 1);
    scores->attributes[2] =
        std::bit_cast<std::int32_t>(static_cast<float>(factor * static_cast<double>(real_of(scores->attributes[2]))));
  }

private:
  struct step {
    lowered_op* op;
    std::size_t input;
    std::uint32_t was;
  };

  /// Leads input `input` of op around multiplications by numbers; their product.
  double take(lowered_op& op, std::size_t input) {
    lowered_op* reader = &op;
    double factor = 1.0;
    for (;;) {
      const std::uint32_t v = reader->inputs[input];
      lowered_op* const p = r_.producer(v);
      if (p == nullptr || !r_.read_once(v)) return factor;
      if (p->kind == op_kind::nd_copy) {
        reader = p, input = 0;
        continue;
      }
      const bool times = rewriter::is_binary(*p, kernels::nd::binary_fn::mul);
      const bool over = rewriter::is_binary(*p, kernels::nd::binary_fn::div);
      const auto right = times || over ? r_.number(p->inputs[1]) : std::nullopt;
      const auto left = times ? r_.number(p->inputs[0]) : std::nullopt;
      if (!right && !left) return factor;
      const std::uint32_t x = p->inputs[right ? 0 : 1];
      if (r_.value(x).dims != r_.value(v).dims) return factor;
      factor *= right ? (times ? *right : 1.0 / *right) : *left;
      taken_.push_back({reader, input, v});
      reader->inputs[input] = x;
    }
  }

  void put_back() {
    for (std::size_t i = taken_.size(); i-- > 0;) taken_[i].op->inputs[taken_[i].input] = taken_[i].was;
    taken_.clear();
  }

  rewriter& r_;
  std::vector<step> taken_;
};

/// One product that makes q, k and v side by side becomes three: each then has a scale of its own, and the heads of a
/// part lie in memory as the integer op reads them.
class part_splitter {
public:
  explicit part_splitter(rewriter& r) : r_(r), g_(r.graph()) {}

  /// Makes the part that v shows, through copies, a product of its own.
  void split(std::uint32_t v, std::int64_t width) {
    std::vector<lowered_op*> copies;  // from v upwards
    std::uint32_t at = v;
    for (lowered_op* p = r_.producer(at); p != nullptr && p->kind == op_kind::nd_copy; p = r_.producer(at)) {
      copies.push_back(p);
      at = p->inputs[0];
    }
    const lowered_op* const whole = r_.producer(at);
    if (copies.empty() || whole == nullptr || whole->kind != op_kind::nd_matmul || whole->attributes[0] != 0) return;
    const auto rows = rows_of(g_.values[at].dims);
    const std::int64_t n = g_.values[at].dims.back();
    if (!rows || n <= width || !is_f32_constant(g_, whole->inputs[1]) || g_.values[whole->inputs[1]].dims.size() != 2)
      return;
    layout l = *rows;
    for (std::size_t i = copies.size(); i-- > 0;) {
      const std::span<const std::int32_t> strides(copies[i]->attributes.data() + 1, 6);
      auto to = copied(l, copies[i]->attributes[0], strides, g_.values[copies[i]->outputs[0]].dims);
      if (!to) return;
      l = std::move(*to);
    }
    std::int64_t reach = l.offset + 1;
    std::vector<std::int32_t> a(7, 0);
    for (std::size_t d = 0; d < l.dims.size(); ++d) {
      if (l.dims[d].size() > 1) return;
      if (l.dims[d].empty()) continue;
      const axis_atom atom = l.dims[d][0];
      if (atom.stride >= n && atom.stride % n != 0) return;
      if (atom.stride < n) reach += atom.stride * (atom.extent - 1);
      a[1 + d] = static_cast<std::int32_t>(atom.stride < n ? atom.stride : atom.stride / n * width);
    }
    if (l.offset >= n || reach > n || reach - l.offset > width) return;
    const std::int64_t first = std::min(l.offset, n - width);
    a[0] = static_cast<std::int32_t>(l.offset - first);
    const auto part = product_of(*whole, at, first, width, n);
    if (!part) return;
    copies[0]->inputs[0] = *part;
    copies[0]->attributes = a;
  }

  /// Each part made so far and the value that it is a part of.
  const std::vector<std::pair<std::uint32_t, std::uint32_t>>& whole_of() const noexcept { return whole_of_; }

  /// Puts the new products where the ones were that they are parts of.
  void finish() {
    std::vector<lowered_op> ops;
    for (lowered_op& op : g_.ops) {
      const std::uint32_t y = op.outputs.empty() ? no_value : op.outputs[0];
      ops.push_back(std::move(op));
      for (auto& [key, made] : parts_)
        if (key.first == y) ops.push_back(std::move(made));
    }
    g_.ops = std::move(ops);
    parts_.clear();
    remove_dead_ops(g_);
    r_.recount();
  }

private:
  /// Scales of the weights that a part keeps.
  static std::shared_ptr<const constant_scales> scales_of(const lowered_value& w, std::size_t from, std::size_t count) {
    if (!w.scales || w.scales->scale.size() <= 1) return w.scales;
    constant_scales part = *w.scales;
    if (from + count > part.scale.size()) return nullptr;
    part.scale = std::vector<float>(part.scale.begin() + static_cast<std::ptrdiff_t>(from),
                                    part.scale.begin() + static_cast<std::ptrdiff_t>(from + count));
    return std::make_shared<const constant_scales>(std::move(part));
  }

  std::optional<std::uint32_t> product_of(const lowered_op& whole, std::uint32_t y, std::int64_t first,
                                          std::int64_t width, std::int64_t n) {
    const auto known = parts_.find({y, first});
    if (known != parts_.end()) return known->second.outputs[0];
    lowered_op op = whole;
    const lowered_value& w = g_.values[whole.inputs[1]];
    const bool turned = whole.attributes[1] != 0;
    const auto depth = static_cast<std::size_t>(turned ? w.dims[1] : w.dims[0]);
    const auto from = static_cast<std::size_t>(first), count = static_cast<std::size_t>(width),
               all = static_cast<std::size_t>(n);
    const std::span<const float> old = floats_of(w);
    std::vector<float> values(depth * count);
    for (std::size_t k = 0; k < depth; ++k)
      for (std::size_t o = 0; o < count; ++o)
        values[turned ? o * depth + k : k * count + o] = old[turned ? (from + o) * depth + k : k * all + from + o];
    auto scales = scales_of(w, from, count);
    dim_list dims = turned ? dim_list{width, w.dims[1]} : dim_list{w.dims[0], width};
    std::vector<float> bias;
    if (whole.inputs.size() > 2 && whole.inputs[2] != no_value) {
      const lowered_value& b = g_.values[whole.inputs[2]];
      if (!is_f32_constant(g_, whole.inputs[2]) || (count_of(b.dims) != 1 && b.dims.back() != count_of(b.dims)))
        return std::nullopt;
      if (count_of(b.dims) == n) bias.assign(floats_of(b).begin() + first, floats_of(b).begin() + first + width);
    }
    op.inputs[1] = add_constant(g_, dtype::f32, std::move(dims), std::as_bytes(std::span(values)));
    g_.values[op.inputs[1]].scales = std::move(scales);
    if (!bias.empty()) op.inputs[2] = add_constant(g_, dtype::f32, {width}, std::as_bytes(std::span(bias)));
    lowered_value out;
    out.dims = g_.values[y].dims;
    out.dims.back() = width;
    g_.values.push_back(std::move(out));
    op.outputs[0] = static_cast<std::uint32_t>(g_.values.size() - 1);
    const std::uint32_t made = op.outputs[0];
    parts_.emplace(std::pair(y, first), std::move(op));
    whole_of_.emplace_back(made, y);
    return made;
  }

  rewriter& r_;
  lowered_graph& g_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> whole_of_;
  std::map<std::pair<std::uint32_t, std::int64_t>, lowered_op> parts_;  // by the whole and the first channel
};

}  // namespace quantize_impl

/// All attention of the graph, as the integer op means it or with any scale.
inline std::vector<attention_pattern> find_attention(lowered_graph& g, bool any_scale = false) {
  rewriter r(g);
  std::vector<attention_pattern> found;
  for (std::size_t i = 0; i < g.ops.size(); ++i)
    if (const auto p = quantize_impl::attention_at(r, i); p && (any_scale || std::abs(p->ratio - 1.0) <= 1e-5))
      found.push_back(*p);
  return found;
}

namespace quantize_impl {

/// Moves what a scale differs from 1 / sqrt(depth) into the product that makes q, if nothing else reads that.
inline void settle_scale(rewriter& r, const attention_pattern& p) {
  lowered_graph& g = r.graph();
  if (std::abs(p.ratio - 1.0) <= 1e-5) return;
  std::uint32_t at = p.q;
  while (r.is(at, op_kind::nd_copy) && r.read_once(at)) at = r.producer(at)->inputs[0];
  lowered_op* const made = r.producer(at);
  if (made == nullptr || !r.read_once(at) || made->kind != op_kind::nd_matmul || made->attributes[4] != 0 ||
      !is_f32_constant(g, made->inputs[1]))
    return;
  const auto scaled = [&](std::int32_t bits) {
    return std::bit_cast<std::int32_t>(static_cast<float>(p.ratio * static_cast<double>(real_of(bits))));
  };
  made->attributes[2] = scaled(made->attributes[2]);
  made->attributes[3] = scaled(made->attributes[3]);
  const auto exact = static_cast<float>(1.0 / std::sqrt(static_cast<double>(p.depth)));
  g.ops[p.scores].attributes[2] = std::bit_cast<std::int32_t>(exact);
}

}  // namespace quantize_impl

/// Brings attention into the form that plan_lowering() knows: the scale in the product of q and k, there 1 /
/// sqrt(depth) and the rest of it with q, and a product of its own for each of q, k and v where one made them all. The
/// function stays the same up to rounding of the scale.
inline void prepare_attention(lowered_graph& g) {
  {
    rewriter r(g);
    for (lowered_op& op : g.ops)
      if (op.kind == op_kind::nd_softmax) quantize_impl::scale_mover(r).run(op);
    remove_dead_ops(g);
  }
  const std::vector<attention_pattern> found = find_attention(g, true);
  rewriter r(g);
  quantize_impl::part_splitter parts(r);
  for (const attention_pattern& p : found)
    for (const std::uint32_t v : {p.q, p.k, p.v}) parts.split(v, p.heads * p.depth);
  parts.finish();
  for (const attention_pattern& p : find_attention(g, true)) quantize_impl::settle_scale(r, p);
}

}  // namespace dsmm::inline DSMM_ABI::convert
