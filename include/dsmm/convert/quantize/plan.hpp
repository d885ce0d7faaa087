// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/attention.hpp"
#include "dsmm/convert/quantize/attention_bias.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/layout.hpp"
#include "dsmm/convert/quantize/unfuse.hpp"
#include "dsmm/kernels/nd/functions.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// How an op of the fp32 graph runs in the quantized model.
enum class runs_as : std::uint8_t {
  general,  ///< in f32, as it is
  view,     ///< nowhere: the same memory seen otherwise
  layer,    ///< with weights: conv2d, dwconv2d, linear
  max_pool,
  avg_pool,
  add,
  mul,
  concat,
  resize,
  table,       ///< of one value, or of one value and constants: a table of 256 results
  attention,   ///< of q, k and v: the product that ends it
  layer_norm,  ///< of an f32 value that only layers read
  absorbed,    ///< nowhere: part of an attention or of a table
};

/// The grids that a quantized model has for scores and probabilities, and what a product of q and k is multiplied by.
struct attention_grids {
  quantization scores, probabilities;
  float factor = 1.0f;
};

struct lowered_step {
  runs_as how = runs_as::general;
  std::uint32_t layer = no_value;          ///< index into plan::layers
  std::vector<std::uint32_t> x{};          ///< values it reads as u8
  std::vector<std::int32_t> attributes{};  ///< of the integer op
  bool relu = false;
  std::vector<std::size_t> chain{};  ///< of a table: the ops that it stands for, in order
  std::optional<attention_grids> rounding{};
  std::shared_ptr<const attention_bias> bias{};  ///< of an attention in windows or with a bias
};

/// What becomes of each op and value.
struct quantize_plan {
  std::vector<lowered_step> steps;  ///< one per op of the graph
  std::vector<weight_layer> layers;
  std::vector<std::optional<layout>> layouts;  ///< of values that lie in (H, W, C) memory
  std::vector<std::uint32_t> roots;            ///< the value in whose memory a value lies
  std::vector<bool> as_u8;                     ///< by root: integer ops read it
  std::vector<std::uint32_t> grids;            ///< by root: the root whose scale it has
  std::vector<std::uint32_t> observed;         ///< by root: the value whose range it must hold
};

namespace quantize_impl {

class planner {
public:
  planner(const lowered_graph& g, std::span<const std::uint8_t> general, std::span<const attention_pattern> attention,
          std::span<const std::uint8_t> on_grid)
      : g_(g), general_(general), attention_(attention), on_grid_(on_grid) {
    const std::size_t n = g.values.size();
    plan_.steps.resize(g.ops.size());
    plan_.layouts.resize(n);
    plan_.roots.resize(n);
    plan_.grids.resize(n);
    plan_.observed.resize(n);
    plan_.as_u8.assign(n, false);
    for (std::uint32_t v = 0; v < n; ++v) plan_.roots[v] = plan_.grids[v] = plan_.observed[v] = v;
  }

  quantize_plan run() {
    readers_.assign(g_.values.size(), 0);
    readers_of_.resize(g_.values.size());
    for (std::size_t i = 0; i < g_.ops.size(); ++i)
      for (const std::uint32_t v : g_.ops[i].inputs)
        if (v != no_value) ++readers_[v], readers_of_[v].push_back(i);
    for (const lowered_port& p : g_.outputs) ++readers_[p.value];
    for (std::size_t i = 0; i < g_.ops.size(); ++i)
      if (!is_general(i) && !heads(i)) consider(g_.ops[i], plan_.steps[i]);
    drop_unread();
    tie_grids();
    return std::move(plan_);
  }

private:
  const dim_list& dims(std::uint32_t v) const { return g_.values[v].dims; }
  bool is_f32(std::uint32_t v) const { return v != no_value && g_.values[v].type == dtype::f32; }
  const std::optional<layout>& at(std::uint32_t v) const { return plan_.layouts[v]; }
  bool is_constant(std::uint32_t v) const { return v != no_value && g_.values[v].is_constant; }

  bool has_grid(std::uint32_t v) const { return v < on_grid_.size() && on_grid_[v] != 0; }

  /// at(v); of what is computed in f32 and has a grid of its own, rows.
  std::optional<layout> lies(std::uint32_t v) const {
    return at(v) || is_constant(v) || !has_grid(v) ? at(v) : rows_of(dims(v));
  }

  bool is_general(std::size_t i) const { return i < general_.size() && general_[i] != 0; }

  /// The value lies in memory as the tensor of its own dimensions would.
  bool is_image(std::uint32_t v) const {
    const auto want = channels_first(dims(v));
    return want && at(v) && (*at(v) == *want || picked(*at(v), *want));
  }

  void consider(const lowered_op& op, lowered_step& step) {
    if (op.outputs.size() != 1 || !is_f32(op.outputs[0]) || op.inputs.empty() || !is_f32(op.inputs[0])) return;
    const std::uint32_t y = op.outputs[0];
    std::optional<layout> to;
    switch (op.kind) {
      case op_kind::nd_conv:
      case op_kind::nd_matmul: to = weighted(op, step); break;
      case op_kind::nd_copy: return view(op, step);
      case op_kind::nd_pool: to = pool(op, step); break;
      case op_kind::nd_reduce: to = global_pool(op, step); break;
      case op_kind::nd_concat: to = concat(op, step); break;
      case op_kind::nd_resize: to = resize(op, step); break;
      case op_kind::nd_unary: to = unary(op, step); break;
      case op_kind::nd_binary: to = binary(op, step); break;
      case op_kind::nd_layer_norm: to = layer_norm(op, step); break;
      default: return;
    }
    if (step.how != runs_as::general) plan_.layouts[y] = std::move(to);
  }

  /// Heads side by side in (T, 1, heads * depth), as attention reads them.
  static layout side_by_side(const dim_list& dims, std::int64_t heads, std::int64_t steps, std::int64_t depth,
                             bool turned) {
    layout l;
    const std::size_t rank = dims.size();
    l.dims.resize(rank);
    std::int64_t windows = 1;
    for (std::size_t i = 0; i + 3 < rank; ++i) {
      l.dims[i] = layout_impl::one(dims[i], steps * heads * depth);
      windows *= dims[i];
    }
    l.shape = {static_cast<std::int32_t>(windows * steps), 1, static_cast<std::int32_t>(heads * depth)};
    l.dims[rank - 3] = layout_impl::one(heads, depth);
    l.dims[rank - 2] = turned ? layout_impl::one(depth, 1) : layout_impl::one(steps, heads * depth);
    l.dims[rank - 1] = turned ? layout_impl::one(steps, heads * depth) : layout_impl::one(depth, 1);
    return l;
  }

  /// Whether op `index` ends an attention of values that lie as the integer op wants them.
  bool heads(std::size_t index) {
    const auto p = std::find_if(attention_.begin(), attention_.end(),
                                [&](const attention_pattern& a) { return a.product == index; });
    if (p == attention_.end() || is_general(p->scores) || is_general(p->softmax)) return false;
    const auto lies = [&](std::uint32_t v, std::int64_t steps, bool turned) {
      return at(v) && *at(v) == side_by_side(dims(v), p->heads, steps, p->depth, turned);
    };
    const bool plain = p->windows == 1 && p->between.empty();
    if (!plain && (!on_grid_.empty() || p->windows * std::max(p->queries, p->keys) > 16384)) return false;
    if (!lies(p->q, p->queries, false) || !lies(p->k, p->keys, p->k_turned) || !lies(p->v, p->keys, false))
      return false;
    std::shared_ptr<const attention_bias> bias;
    if (!plain) {
      auto found = bias_of(g_, *p);
      if (!found) return false;
      bias = std::make_shared<const attention_bias>(std::move(*found));
    }
    const std::uint32_t y = g_.ops[index].outputs[0];
    for (const std::size_t i : p->between) plan_.steps[i] = {runs_as::absorbed};
    plan_.steps[p->scores].how = plan_.steps[p->softmax].how = runs_as::absorbed;
    plan_.steps[index] = {runs_as::attention, no_value, {p->q, p->k, p->v}, {static_cast<std::int32_t>(p->heads), 0}};
    plan_.steps[index].bias = std::move(bias);
    plan_.layouts[y] = side_by_side(dims(y), p->heads, p->queries, p->depth, false);
    return true;
  }

  std::optional<layout> weighted(const lowered_op& op, lowered_step& step) {
    auto layer = op.kind == op_kind::nd_conv ? conv_layer(g_, op) : product_layer(g_, op, at(op.inputs[0]));
    if (!layer) return std::nullopt;
    step = {runs_as::layer, static_cast<std::uint32_t>(plan_.layers.size()), {op.inputs[0]}, {}, layer->relu};
    layout to = layer->to;
    plan_.layers.push_back(std::move(*layer));
    return to;
  }

  void view(const lowered_op& op, lowered_step& step) {
    const std::uint32_t x = op.inputs[0], y = op.outputs[0];
    if (!at(x)) return;
    const std::span<const std::int32_t> strides(op.attributes.data() + 1, 6);
    auto to = copied(*at(x), op.attributes[0], strides, dims(y));
    if (!to) return;
    step.how = runs_as::view;
    step.x = {x};
    plan_.layouts[y] = std::move(to);
    plan_.roots[y] = plan_.roots[x];
  }

  /// nd_pool: fn spatial p count_include_pad ceil column_major kernel[3] strides[3] dilations[3] begin[3] end[3]
  std::optional<layout> pool(const lowered_op& op, lowered_step& step) {
    const auto& a = op.attributes;
    const std::uint32_t x = op.inputs[0], y = op.outputs[0];
    const bool average = a[0] == static_cast<std::int32_t>(kernels::nd::pool_fn::average);
    if (!is_image(x) || (a[0] != 0 && !average)) return std::nullopt;
    const layout from = *channels_first(dims(x)), to = *channels_first(dims(y));
    const std::int32_t spatial = a[1];
    std::int32_t kernel[2] = {1, 1}, stride[2] = {1, 1}, begin[2] = {0, 0}, end[2] = {0, 0};
    const std::int32_t in[2] = {from.shape.h, from.shape.w}, out[2] = {to.shape.h, to.shape.w};
    for (std::int32_t s = 0; s < 2 && s < spatial; ++s) {
      const auto k = static_cast<std::size_t>(s);
      kernel[s] = a[6 + k], stride[s] = a[9 + k], begin[s] = a[15 + k];
      if (a[12 + k] != 1) return std::nullopt;
      end[s] = std::max(0, (out[s] - 1) * stride[s] + kernel[s] - begin[s] - in[s]);
      if (begin[s] >= kernel[s] || end[s] >= kernel[s]) return std::nullopt;
      if ((in[s] + begin[s] + end[s] - kernel[s]) / stride[s] + 1 != out[s]) return std::nullopt;
      if (average && a[3] != 0 && (begin[s] != 0 || end[s] != 0)) return std::nullopt;
    }
    if (spatial > 2) return std::nullopt;
    step = {average ? runs_as::avg_pool : runs_as::max_pool,
            no_value,
            {x},
            {kernel[0], kernel[1], stride[0], stride[1], begin[0], begin[1], end[0], end[1]}};
    return to;
  }

  /// The mean or maximum over all spatial dimensions.
  std::optional<layout> global_pool(const lowered_op& op, lowered_step& step) {
    const auto& a = op.attributes;
    const std::uint32_t x = op.inputs[0];
    const bool mean = a[0] == static_cast<std::int32_t>(kernels::nd::reduce_fn::mean);
    if ((!mean && a[0] != static_cast<std::int32_t>(kernels::nd::reduce_fn::max)) || !is_image(x)) return std::nullopt;
    const std::size_t rank = dims(x).size();
    if (rank < 3 || a[1] != (1 << rank) - 4) return std::nullopt;
    auto to = channels_first(dims(op.outputs[0]));
    if (!to) return std::nullopt;
    step = {mean ? runs_as::avg_pool : runs_as::max_pool, no_value, {x}, {0, 0, 1, 1, 0, 0, 0, 0}};
    return to;
  }

  std::optional<layout> concat(const lowered_op& op, lowered_step& step) {
    const std::int32_t axis = op.attributes[0];
    if (axis != 1 && axis != 2) return std::nullopt;
    for (const std::uint32_t v : op.inputs)
      if (!is_image(v) || dims(v).size() <= static_cast<std::size_t>(axis)) return std::nullopt;
    step = {runs_as::concat, no_value, op.inputs, {axis == 1 ? 2 : 0}};
    return channels_first(dims(op.outputs[0]));
  }

  /// nd_resize: mode coord nearest cubic_a exclude antialias extrapolation scales[6] roi[12]
  std::optional<layout> resize(const lowered_op& op, lowered_step& step) {
    const auto& a = op.attributes;
    const std::uint32_t x = op.inputs[0], y = op.outputs[0];
    if (!is_image(x) || dims(x).size() != 4 || dims(y)[1] != dims(x)[1] || a[5] != 0) return std::nullopt;
    using coord = kernels::nd::resize_coordinates;
    using nearest = kernels::nd::resize_nearest;
    const auto c = static_cast<coord>(a[1]);
    const auto n = static_cast<nearest>(a[2]);
    const bool half = c == coord::half_pixel || c == coord::half_pixel_symmetric ||
                      (c == coord::pytorch_half_pixel && dims(y)[2] > 1 && dims(y)[3] > 1);
    const bool whole = dims(y)[2] % dims(x)[2] == 0 && dims(y)[3] % dims(x)[3] == 0;
    const bool linear = a[0] == static_cast<std::int32_t>(kernels::nd::resize_fn::linear);
    if (a[0] == static_cast<std::int32_t>(kernels::nd::resize_fn::cubic)) return std::nullopt;
    if (linear && !half) return std::nullopt;
    // Enlarged by whole numbers, both ways of counting pixels pick the same source.
    const bool round = n == nearest::round_prefer_floor || n == nearest::round_prefer_ceil;
    const bool repeats = whole && ((half && round) || (c == coord::asymmetric && n == nearest::floor));
    if (!linear && !repeats) return std::nullopt;
    for (std::size_t d = 2; d < 4; ++d) {  // scales that differ from the ratio of sizes shift the picture
      const double scale = static_cast<double>(real_of(a[7 + d]));
      if (scale != 0.0 && std::abs(scale * static_cast<double>(dims(x)[d]) - static_cast<double>(dims(y)[d])) > 1e-3)
        return std::nullopt;
    }
    step = {runs_as::resize,
            no_value,
            {x},
            {linear ? 1 : 0, static_cast<std::int32_t>(dims(y)[2]), static_cast<std::int32_t>(dims(y)[3])}};
    return channels_first(dims(y));
  }

  /// Whether only products with constants read v, directly or through copies.
  bool feeds_layers(std::uint32_t v) const {
    for (const lowered_port& p : g_.outputs)
      if (p.value == v) return false;
    for (const std::size_t k : readers_of_[v]) {
      const lowered_op& op = g_.ops[k];
      const bool product = op.kind == op_kind::nd_matmul && op.inputs[0] == v && is_constant(op.inputs[1]);
      if (!product && (op.kind != op_kind::nd_copy || !feeds_layers(op.outputs[0]))) return false;
    }
    return !readers_of_[v].empty();
  }

  /// nd_layer_norm over the last axis: first axis, epsilon, rms. Residual sums before it stay in f32: their few loud
  /// channels would blur the others on a common grid.
  std::optional<layout> layer_norm(const lowered_op& op, lowered_step& step) {
    const std::uint32_t x = op.inputs[0], y = op.outputs[0];
    const auto is_row = [&](std::size_t i) {
      return op.inputs.size() > i && is_constant(op.inputs[i]) && is_f32(op.inputs[i]) &&
             count_of(dims(op.inputs[i])) == dims(x).back();
    };
    const float epsilon = real_of(op.attributes[1]);
    const auto to = rows_of(dims(y));
    const bool by_row = op.attributes[0] == static_cast<std::int32_t>(dims(x).size()) - 1 && op.attributes[2] == 0;
    if (!to || !by_row || is_constant(x) || !is_row(1) || !is_row(2) || dims(x).back() > 4096 ||
        !(epsilon >= 0x1p-126f && epsilon <= 1.0f) || !feeds_layers(y))
      return std::nullopt;
    step = {runs_as::layer_norm, no_value, {}, {op.attributes[1]}};
    if (has_grid(x) && at(x) && *at(x) == *to) step.x = {x};
    return to;
  }

  std::optional<layout> unary(const lowered_op& op, lowered_step& step) {
    const std::uint32_t x = op.inputs[0], y = op.outputs[0];
    if (!at(x) || at(x)->offset != 0 || at(x)->shape.count() != count_of(dims(x))) return std::nullopt;
    const auto sum = sums_.find(x);
    if (sum != sums_.end() && readers_[x] == 1 && is_clamp_at_zero(op.attributes[0], op.attributes[1])) {
      sum->second->relu = true;  // the sum clamps; what it holds is what this op gives
      plan_.roots[y] = x;
      plan_.observed[x] = y;
      step = {runs_as::view, no_value, {x}};
      return at(x);
    }
    step = table(op, {x});
    return at(x);
  }

  /// The value that v is a function of, by tables.
  std::uint32_t source(std::uint32_t v) const {
    const auto made = tables_.find(v);
    return made == tables_.end() ? v : made->second->x[0];
  }

  /// op, a function of values of one source, as a table. Where grids are known, of the source itself: what happens in
  /// between is rounded where it has a grid, and nowhere else.
  lowered_step table(const lowered_op& op, std::initializer_list<std::uint32_t> of) {
    lowered_step s{runs_as::table, no_value, {*of.begin()}};
    const std::uint32_t y = op.outputs[0];
    if (!on_grid_.empty()) {
      s.x = {source(*of.begin())};
      for (const std::uint32_t v : of)
        if (const auto made = tables_.find(v); made != tables_.end())
          s.chain.insert(s.chain.end(), made->second->chain.begin(), made->second->chain.end());
      std::sort(s.chain.begin(), s.chain.end());
      s.chain.erase(std::unique(s.chain.begin(), s.chain.end()), s.chain.end());
    }
    const auto index = static_cast<std::size_t>(&op - g_.ops.data());
    s.chain.push_back(index);
    tables_[y] = &plan_.steps[index];
    return s;
  }

  std::optional<layout> binary(const lowered_op& op, lowered_step& step) {
    std::uint32_t a = op.inputs[0], b = op.inputs[1];
    const auto fn = static_cast<binary_fn>(op.attributes[0]);
    if (!is_f32(b)) return std::nullopt;
    const bool scalar_a = is_constant(a) && count_of(dims(a)) == 1, scalar_b = is_constant(b) && count_of(dims(b)) == 1;
    if (scalar_a != scalar_b) {
      const std::uint32_t x = scalar_a ? b : a;
      if (dims(x) != dims(op.outputs[0])) return std::nullopt;
      if (!at(x) || at(x)->offset != 0 || at(x)->shape.count() != count_of(dims(x))) return std::nullopt;
      step = table(op, {x});
      return at(x);
    }
    if (!on_grid_.empty() && source(a) == source(b) && at(a) && at(b) && *at(a) == *at(b) && dims(a) == dims(b) &&
        at(a)->offset == 0 && at(a)->shape.count() == count_of(dims(a))) {
      step = table(op, {a, b});
      return at(a);
    }
    if (fn != binary_fn::add && fn != binary_fn::mul) return std::nullopt;
    if (dims(a) != dims(op.outputs[0])) std::swap(a, b);
    if (dims(a) != dims(op.outputs[0]) || (!at(a) && !at(b))) return std::nullopt;
    const std::optional<layout> first = lies(a), second = lies(b);
    if (!first || !second) return std::nullopt;
    const bool same =
        dims(a) == dims(b) && *first == *second && first->offset == 0 && first->shape.count() == count_of(dims(a));
    if (!same && (!at(a) || !at(b))) return std::nullopt;
    const bool gate = is_image(a) && is_image(b) && dims(a).size() == dims(b).size() && dims(b)[1] == dims(a)[1] &&
                      count_of(dims(b)) == dims(b)[1];
    if (!same && !gate && !(is_image(a) && is_image(b) && dims(a) == dims(b))) return std::nullopt;
    step = {fn == binary_fn::add ? runs_as::add : runs_as::mul, no_value, {a, b}};
    sums_[op.outputs[0]] = &step;
    return same ? first : channels_first(dims(a));
  }

  /// Whether only tables that stand for op i too read its result.
  bool inside_tables(std::size_t i) const {
    const std::uint32_t y = g_.ops[i].outputs[0];
    if (plan_.steps[i].how != runs_as::table || readers_of_[y].size() != readers_[y]) return false;
    return std::all_of(readers_of_[y].begin(), readers_of_[y].end(), [&](std::size_t k) {
      const auto& chain = plan_.steps[k].chain;
      return std::find(chain.begin(), chain.end(), i) != chain.end();
    });
  }

  /// What no layer needs stays in f32: heads keep their precision.
  void drop_unread() {
    std::vector<bool> need(g_.values.size(), false);
    for (std::size_t i = g_.ops.size(); i-- > 0;) {
      lowered_step& s = plan_.steps[i];
      const std::uint32_t y = g_.ops[i].outputs.empty() ? no_value : g_.ops[i].outputs[0];
      if (s.how == runs_as::view) {
        if (need[y]) need[s.x[0]] = true;
        continue;
      }
      if (s.how == runs_as::absorbed) continue;
      if (s.how == runs_as::attention) need[y] = true;  // always u8, like a layer's input
      if (!need[y] && inside_tables(i)) {
        s.how = runs_as::absorbed;
        continue;
      }
      if (s.how != runs_as::general && s.how != runs_as::layer && !need[y]) {
        s = {};
        plan_.layouts[y].reset();
      }
      if (s.how == runs_as::general) continue;
      for (const std::uint32_t v : s.x) need[v] = true;
      if (s.how == runs_as::layer && plan_.layers[s.layer].clip_at > 0) need[y] = true;  // the u8 range clips
    }
    // Views of what turned out to be general are copies again.
    for (std::size_t i = 0; i < g_.ops.size(); ++i) {
      lowered_step& s = plan_.steps[i];
      if (s.how != runs_as::view || plan_.layouts[s.x[0]]) continue;
      const std::uint32_t y = g_.ops[i].outputs[0];
      plan_.layouts[y].reset();
      plan_.roots[y] = y;
      plan_.observed[s.x[0]] = s.x[0];
      s = {};
    }
    for (std::uint32_t v = 0; v < need.size(); ++v)
      if (need[v]) plan_.as_u8[plan_.roots[v]] = true;
  }

  std::uint32_t grid(std::uint32_t v) const {
    while (plan_.grids[v] != v) v = plan_.grids[v];
    return v;
  }
  void tie(std::uint32_t a, std::uint32_t b) { plan_.grids[grid(plan_.roots[a])] = grid(plan_.roots[b]); }

  /// Max pools and resizes keep their scale. Values that only a concat reads take the scale of its result, so that
  /// joining them is a copy.
  void tie_grids() {
    for (std::size_t i = 0; i < g_.ops.size(); ++i) {
      const lowered_step& s = plan_.steps[i];
      const std::uint32_t y = g_.ops[i].outputs.empty() ? no_value : g_.ops[i].outputs[0];
      if (s.how == runs_as::max_pool || s.how == runs_as::resize) tie(s.x[0], y);
      if (s.how == runs_as::concat)
        for (const std::uint32_t v : s.x)
          if (readers_[v] == 1 && plan_.roots[v] == v) tie(v, y);
    }
    for (std::uint32_t v = 0; v < plan_.grids.size(); ++v) plan_.grids[v] = grid(v);
  }

  const lowered_graph& g_;
  std::span<const std::uint8_t> general_;
  std::span<const attention_pattern> attention_;
  std::span<const std::uint8_t> on_grid_;
  quantize_plan plan_;
  std::vector<std::uint32_t> readers_;                   // by value
  std::vector<std::vector<std::size_t>> readers_of_;     // the ops, by value
  std::map<std::uint32_t, lowered_step*> sums_;          // by result: additions and products
  std::map<std::uint32_t, const lowered_step*> tables_;  // by result
};

}  // namespace quantize_impl

/// Chooses for each op whether it runs on integers. Layers with constant weights always do; what only moves or combines
/// values does where it lies between two layers.
/// general    by op: not 0 for ops that must stay in f32; may be shorter than the list of ops.
/// attention  find_attention() of the graph, to run on integers where q, k and v lie as its op wants them.
/// on_grid    by value: not 0 where a model that is quantized already has a grid for it; empty for other models.
inline quantize_plan plan_lowering(const lowered_graph& g, std::span<const std::uint8_t> general = {},
                                   std::span<const attention_pattern> attention = {},
                                   std::span<const std::uint8_t> on_grid = {}) {
  return quantize_impl::planner(g, general, attention, on_grid).run();
}

}  // namespace dsmm::inline DSMM_ABI::convert
