// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/pass/absorb_pads.hpp"
#include "dsmm/convert/pass/align_constants.hpp"
#include "dsmm/convert/quantize/adopt_attention.hpp"
#include "dsmm/convert/quantize/attention.hpp"
#include "dsmm/convert/quantize/emit_integer.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/rounded_values.hpp"
#include "dsmm/convert/quantize/rounding.hpp"
#include "dsmm/convert/quantize/table.hpp"
#include "dsmm/convert/quantize/unfuse.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace quantize_impl {

/// Reads the grids that a quantized model brings along (pairs of nd_quantize and nd_dequantize) and finds the ops that
/// can run on integers with just these.
class grid_adopter {
public:
  explicit grid_adopter(lowered_graph& g) : g_(g), known_(g.values.size()) {}

  /// Takes the pairs out of the graph; what they said is in known().
  void read() {
    std::map<std::uint32_t, std::uint32_t> same;  // what was dequantized, and what had been quantized
    const std::vector<lowered_op> ops = std::move(g_.ops);
    g_.ops.clear();
    for (lowered_op op : ops) {
      for (std::uint32_t& v : op.inputs)
        if (const auto s = same.find(v); s != same.end()) v = s->second;
      const auto grid = grid_of_op(op);
      const std::uint32_t x = op.inputs.empty() ? no_value : op.inputs[0];
      if (op.kind == op_kind::nd_quantize && grid && is_real(x) && (!known(x) || *known(x) == *grid)) {
        know(x, *grid);
        source_[op.outputs[0]] = x;
      } else if (op.kind == op_kind::nd_dequantize && grid && is_real(op.outputs[0]) && !g_.values[x].is_constant) {
        if (const auto s = source_.find(x); s != source_.end() && known(s->second) == grid) {
          same[op.outputs[0]] = s->second;
          continue;
        }
        know(op.outputs[0], *grid);
      } else {
        move_levels(op);
      }
      g_.ops.push_back(std::move(op));
    }
    for (lowered_port& p : g_.outputs)
      if (const auto s = same.find(p.value); s != same.end()) p.value = s->second;
    absorb_pads();
    separate_outputs(g_);
    remove_dead_ops(g_);
    remove_unread_inputs(g_);
    unfuse(g_);
    for (const auto& [part, whole] : split_parts(g_))
      if (const auto grid = known(whole)) know(part, *grid);
    known_.resize(g_.values.size());
  }

  /// The plan of what can run on integers; false if no layer can.
  bool settle() {
    if (!plan_all()) return false;
    // Rounding also clamps, which is all that may be left of a ReLU: what stays in f32 keeps its conversions.
    std::vector<rounded_value> list;
    for (std::size_t i = 0; i < g_.ops.size(); ++i)
      for (const std::uint32_t v : g_.ops[i].outputs)
        if (plan_.steps[i].how == runs_as::general && g_.ops[i].kind != op_kind::nd_dequantize && known(v))
          list.push_back({v, *known_[v]});
    for (const lowered_port& p : g_.inputs)
      if (known(p.value) && read_in_f32(p.value)) list.push_back({p.value, *known_[p.value]});
    if (list.empty()) return true;
    const std::size_t before = g_.values.size();
    g_ = with_rounded_values(g_, list);
    known_.resize(g_.values.size());
    for (const rounded_value& r : list) known_[r.value].reset();
    for (const lowered_op& op : g_.ops)
      if (op.kind == op_kind::nd_dequantize && op.outputs[0] >= before) known_[op.outputs[0]] = grid_of_op(op);
    return plan_all();
  }

  const quantize_plan& plan() const noexcept { return plan_; }
  const std::vector<rounded_layer>& layers() const noexcept { return layers_; }
  const std::vector<quantization>& grids() const noexcept { return grids_; }
  std::optional<quantization> known(std::uint32_t v) const {
    return v < known_.size() ? known_[v] : std::optional<quantization>();
  }

private:
  bool plan_all() {
    general_.assign(g_.ops.size(), 0);
    attention_ = find_attention(g_, true);
    for (;;) {
      plan_ = plan_lowering(g_, general_, attention_, known_values());
      round_attention();
      tie();
      const auto before = std::count(general_.begin(), general_.end(), 1);
      layers_.assign(plan_.layers.size(), {});
      for (std::size_t i = 0; i < g_.ops.size(); ++i)
        if (!holds(g_.ops[i], plan_.steps[i])) general_[i] = 1;
      if (std::count(general_.begin(), general_.end(), 1) == before) break;
    }
    return !plan_.layers.empty();
  }

  std::vector<std::uint8_t> known_values() const {
    std::vector<std::uint8_t> known(known_.size());
    for (std::size_t v = 0; v < known.size(); ++v) known[v] = known_[v] ? 1 : 0;
    return known;
  }

  void round_attention() {
    for (const attention_pattern& p : attention_) {
      lowered_step& s = plan_.steps[p.product];
      const auto scores = known(g_.ops[p.scores].outputs[0]), probabilities = known(g_.ops[p.softmax].outputs[0]);
      if (s.how == runs_as::attention && scores && probabilities)
        s.rounding = attention_grids{*scores, *probabilities, real_of(g_.ops[p.scores].attributes[2])};
    }
  }

  bool read_in_f32(std::uint32_t v) const {
    for (std::size_t i = 0; i < g_.ops.size(); ++i)
      if ((plan_.steps[i].how == runs_as::general || plan_.steps[i].how == runs_as::view) &&
          std::find(g_.ops[i].inputs.begin(), g_.ops[i].inputs.end(), v) != g_.ops[i].inputs.end())
        return true;
    return false;
  }
  bool is_real(std::uint32_t v) const { return g_.values[v].type == dtype::f32 && !g_.values[v].is_constant; }
  void know(std::uint32_t v, quantization grid) {
    known_.resize(g_.values.size());
    known_[v] = grid;
  }

  /// Max pools and copies of levels do to the real values what they do to the levels: the same op on those.
  void move_levels(const lowered_op& op) {
    const bool max_pool = op.kind == op_kind::nd_pool && op.attributes[0] == 0 && op.outputs.size() == 1;
    if (!max_pool && op.kind != op_kind::nd_copy) return;
    const auto s = source_.find(op.inputs[0]);
    if (s == source_.end()) return;
    lowered_op real = op;
    real.inputs[0] = s->second;
    g_.values.push_back({dtype::f32, g_.values[op.outputs[0]].dims});
    real.outputs[0] = static_cast<std::uint32_t>(g_.values.size() - 1);
    know(real.outputs[0], *known(s->second));
    source_[op.outputs[0]] = real.outputs[0];
    g_.ops.push_back(std::move(real));
  }

  /// A Pad whose result has the grid of its input adds levels of zero, as padding does.
  void absorb_pads() {
    rewriter r(g_);
    convert::absorb_pads(r, [&](const lowered_op& pad) {
      return known(pad.inputs[0]) && known(pad.inputs[0]) == known(pad.outputs[0]);
    });
  }

  std::optional<quantization> grid_of_op(const lowered_op& op) const {
    if (op.kind != op_kind::nd_quantize && op.kind != op_kind::nd_dequantize) return std::nullopt;
    const std::uint32_t levels = op.kind == op_kind::nd_quantize ? op.outputs[0] : op.inputs[0];
    const dtype type = g_.values[levels].type;
    const lowered_value& scale = g_.values[op.inputs[1]];
    if ((type != dtype::u8 && type != dtype::s8) || !scale.is_constant || scale.type != dtype::f32 ||
        count_of(scale.dims) != 1)
      return std::nullopt;
    quantization q{floats_of(scale)[0], type == dtype::s8 ? 128 : 0};
    if (op.inputs.size() > 2 && op.inputs[2] != no_value) {
      const lowered_value& zero = g_.values[op.inputs[2]];
      if (!zero.is_constant || zero.type != type || count_of(zero.dims) != 1) return std::nullopt;
      const auto bits = static_cast<std::uint8_t>(zero.bytes[0]);
      q.zero_point += type == dtype::u8 ? bits : static_cast<std::int8_t>(bits);
    }
    if (!(q.scale > 1e-30f && q.scale < 1e30f)) return std::nullopt;
    return q;
  }

  /// Grids belong to the memory that values share; pools and resizes keep theirs.
  void tie() {
    const std::size_t n = plan_.grids.size();
    std::vector<std::optional<quantization>> of(n);
    for (std::uint32_t v = 0; v < n; ++v)
      if (const std::uint32_t root = plan_.roots[v]; known_[v] && (!of[root] || plan_.observed[root] == v))
        of[root] = known_[v];
    for (std::uint32_t v = 0; v < n; ++v) plan_.grids[v] = v;
    for (std::size_t i = 0; i < g_.ops.size(); ++i) {
      const lowered_step& s = plan_.steps[i];
      if (s.how != runs_as::max_pool && s.how != runs_as::resize) continue;
      const std::uint32_t y = plan_.roots[g_.ops[i].outputs[0]];
      of[y] = of[plan_.roots[s.x[0]]];
    }
    has_.assign(n, 0);
    grids_.assign(n, {});
    for (std::uint32_t v = 0; v < n; ++v)
      if (of[v]) has_[v] = 1, grids_[v] = *of[v];
    for (std::size_t i = 0; i < g_.ops.size(); ++i)  // what a layer rounds is rounded, whoever reads it
      if (const lowered_step& s = plan_.steps[i]; s.how == runs_as::layer)
        if (const std::uint32_t y = g_.ops[i].outputs[0]; has_[plan_.roots[y]] != 0) plan_.as_u8[plan_.roots[y]] = true;
  }

  bool on_grid(std::uint32_t v) const { return has_[plan_.roots[v]] != 0; }
  double step(std::uint32_t v) const { return static_cast<double>(grids_[plan_.roots[v]].scale); }
  static bool is_factor(double f) {
    fixed_point ignored;
    return make_fixed_point(f, ignored);
  }

  bool holds(const lowered_op& op, const lowered_step& s) {
    if (s.how == runs_as::general || s.how == runs_as::view || s.how == runs_as::absorbed) return true;
    const std::uint32_t y = op.outputs[0];
    for (const std::uint32_t v : s.x)
      if (!on_grid(v)) return false;
    if (s.how == runs_as::layer) return layer_holds(op, s.layer);
    if (!on_grid(y)) return false;
    switch (s.how) {
      case runs_as::add: return step(s.x[0]) < 1024 * step(y) && step(s.x[1]) < 1024 * step(y);
      case runs_as::mul: return is_factor(step(s.x[0]) * step(s.x[1]) / step(y));
      case runs_as::avg_pool: {
        const extents in = plan_.layouts[s.x[0]]->shape;
        const bool global = s.attributes[0] == 0;
        const double n =
            global ? static_cast<double>(in.h) * in.w : static_cast<double>(s.attributes[0]) * s.attributes[1];
        const bool padded = std::any_of(s.attributes.begin() + 4, s.attributes.end(), [](auto p) { return p != 0; });
        return is_factor(step(s.x[0]) / (padded ? step(y) : n * step(y)));  // at a corner few elements may be inside
      }
      case runs_as::attention: return attention_holds(s, y);
      default: return true;
    }
  }

  bool attention_holds(const lowered_step& s, std::uint32_t y) const {
    const auto p = std::find_if(attention_.begin(), attention_.end(),
                                [&](const attention_pattern& a) { return g_.ops[a.product].outputs[0] == y; });
    const bool rounded = known(g_.ops[p->scores].outputs[0]) || known(g_.ops[p->softmax].outputs[0]);
    if (rounded && !s.rounding) return false;
    const auto grid = [&](std::uint32_t v) { return grids_[plan_.roots[v]]; };
    return fits_attention(*p, grid(s.x[0]), grid(s.x[1]), grid(s.x[2]), grid(y), s.rounding);
  }

  /// Whether the weights of a channel may be rounded to multiples of a larger scale: whatever the inputs are, the
  /// result moves by less than a fiftieth of its step.
  bool nearly_constant(const weight_layer& l, std::size_t o, float scale) const {
    double error = 0;
    for (std::size_t k = 0; k < l.depth(); ++k) {
      const double w = static_cast<double>(l.w[o * l.depth() + k]), s = static_cast<double>(scale);
      error += std::abs(w - s * std::nearbyint(w / s));
    }
    return error * 255 * step(l.x) < 0.02 * step(l.y);
  }

  /// The weights are s8 multiples of known scales, and the result can be requantized.
  bool layer_holds(const lowered_op& op, std::uint32_t index) {
    const weight_layer& l = plan_.layers[index];
    const auto& scales = g_.values[op.inputs[1]].scales;
    if (!scales) return false;
    const std::size_t channels = l.channels(), depth = l.depth();
    const bool product = op.kind == op_kind::nd_matmul;
    const std::int64_t axis = product && op.attributes[1] == 0 ? 1 : 0;
    if (scales->scale.size() != 1 && (scales->scale.size() != channels || scales->axis != axis)) return false;
    const bool to_u8 = on_grid(l.y);
    if (!to_u8 && plan_.as_u8[plan_.roots[l.y]]) return false;
    if (l.clip_at > 0) {  // only the end of the u8 range clips
      const quantization q = grids_[plan_.roots[l.y]];
      const double end = static_cast<double>(255 - q.zero_point) * step(l.y);
      if (!to_u8 || end > static_cast<double>(l.clip_at) + 0.5 * step(l.y)) return false;
    }
    rounded_layer r;
    r.bits = 8;
    r.bias = l.bias;
    const quantization x = grids_[plan_.roots[l.x]], y = grids_[plan_.roots[l.y]];
    const std::vector<float> least = least_scales(l, x, to_u8 ? std::optional(y) : std::nullopt);
    for (std::size_t o = 0; o < channels; ++o) {
      float scale = scales->scale[scales->scale.size() == 1 ? 0 : o];
      if (to_u8 && scale > 0 && scale < least[o]) {  // a dead channel: all that counts of it is the bias
        if (!nearly_constant(l, o, least[o])) return false;
        scale = least[o];
        r.scale.push_back(scale);
        for (std::size_t k = 0; k < depth; ++k)
          r.codes.push_back(static_cast<std::int8_t>(std::nearbyint(l.w[o * depth + k] / scale)));
        continue;
      }
      const double factor = step(l.x) * static_cast<double>(scale);
      if (!(scale > 0) || (to_u8 && !is_factor(factor / step(l.y))) ||
          std::abs(static_cast<double>(l.bias[o])) > 0x1p30 * factor)
        return false;
      r.scale.push_back(scale);
      for (std::size_t k = 0; k < depth; ++k) {
        const double code = static_cast<double>(l.w[o * depth + k]) / static_cast<double>(scale);
        const double nearest = std::nearbyint(code);
        if (nearest < -128 || nearest > 127 || std::abs(code - nearest) > 1e-3) return false;
        r.codes.push_back(static_cast<std::int8_t>(nearest));
      }
    }
    layers_[index] = std::move(r);
    return true;
  }

  lowered_graph& g_;
  std::vector<std::optional<quantization>> known_;  // by value
  std::map<std::uint32_t, std::uint32_t> source_;   // by levels: what was rounded
  std::vector<std::uint8_t> general_, has_;
  std::vector<attention_pattern> attention_;
  quantize_plan plan_;
  std::vector<quantization> grids_;
  std::vector<rounded_layer> layers_;
};

}  // namespace quantize_impl

/// A graph of an already quantized model as a file that runs its layers on the integer kernels, with the scales, zero
/// points and weights that it brings; nothing if none of its layers can. What lies behind the last layer and what has
/// no grid stays in f32.
///
/// The integers of the accumulator are the same; results are rounded once, ties up, where ONNX rounds a float product,
/// ties to even: results differ by one step at most where the float product was inexact or a tie. Sums and pools too.
/// Errors: of session (tables) and model_writer::finish.
inline result<std::optional<file_bytes>> adopt_grids(const lowered_graph& from,
                                                     const std::vector<std::pair<std::string, std::string>>& meta,
                                                     const session_options& options) {
  const bool any = std::any_of(from.ops.begin(), from.ops.end(), [](const lowered_op& op) {
    return op.kind == op_kind::nd_quantize || op.kind == op_kind::nd_dequantize;
  });
  if (!any) return std::optional<file_bytes>{};
  lowered_graph g = from;
  align_constants(g);
  quantize_impl::grid_adopter adopter(g);
  adopter.read();
  if (!adopter.settle()) return std::optional<file_bytes>{};
  const quantize_plan& plan = adopter.plan();
  std::vector<u8_table_values> tables(g.ops.size());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const lowered_step& s = plan.steps[i];
    if (s.how != runs_as::table) continue;
    const auto grid = [&](std::uint32_t v) { return adopter.grids()[plan.roots[v]]; };
    auto table = table_of(
        g, s.chain, s.x[0], grid(s.x[0]), grid(g.ops[i].outputs[0]), [&](std::uint32_t v) { return adopter.known(v); },
        options);
    if (!table) return table.error();
    tables[i] = std::move(*table);
  }
  auto file = emit_integer(g, plan, adopter.grids(), adopter.layers(), tables, {}, meta);
  if (!file) return file.error();
  return std::optional<file_bytes>(std::move(*file));
}

}  // namespace dsmm::inline DSMM_ABI::convert
