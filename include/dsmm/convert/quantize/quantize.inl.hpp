// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/quantize/agreement.hpp"
#include "dsmm/convert/quantize/attention.hpp"
#include "dsmm/convert/quantize/calibrate.hpp"
#include "dsmm/convert/quantize/emit_integer.hpp"
#include "dsmm/convert/quantize/equalize.hpp"
#include "dsmm/convert/quantize/f32_parts.hpp"
#include "dsmm/convert/quantize/input_form.hpp"
#include "dsmm/convert/quantize/layer_inputs.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/prefix_run.hpp"
#include "dsmm/convert/quantize/quantize.hpp"
#include "dsmm/convert/quantize/rounding.hpp"
#include "dsmm/convert/quantize/seen_activations.hpp"
#include "dsmm/convert/quantize/small_layers.hpp"
#include "dsmm/convert/quantize/smooth.hpp"
#include "dsmm/convert/quantize/split_channels.hpp"
#include "dsmm/convert/quantize/tune_grids.hpp"
#include "dsmm/convert/quantize/unfuse.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/kernels/attention.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace quantize_impl {

class quantizer {
public:
  quantizer(const model& m, const sample_set& calibration_samples, const quantize_options& options,
            quantize_report& report)
      : model_(m), samples_(calibration_samples), options_(options), report_(report) {}

  result<file_bytes> run(const sample_set* evaluation) {
    if (samples_.count == 0)
      return failure{errc::invalid_argument,
                     "without calibration data the ranges of the activations are unknown: give images or arrays like "
                     "those that the model will see"};
    auto read = read_graph(model_);
    if (!read) return read.error();
    plain_ = std::move(*read);
    unfuse(plain_);
    reference_ = plain_;
    expose_logits(reference_);
    prepare_attention(plain_);
    plan();
    if (plan_.layers.empty())
      return failure{errc::unsupported, "the model has no convolution or product with constant weights to quantize"};
    if (options_.input.u8)
      if (auto ok = check_pixels(); !ok) return ok.error();
    if (options_.equalize > 0) {
      if (auto ok = equalize(plain_, plan_, samples_, options_.equalize, options_.run, options_.progress); !ok)
        return ok.error();
      plan();
      if (auto ok = smooth(plain_, plan_, samples_, options_.equalize, options_.run, options_.progress); !ok)
        return ok.error();
      plan();
    }
    if (auto ok = look(); !ok) return ok.error();
    if (auto ok = make_tables(); !ok) return ok.error();
    list_layers();
    mark_ends();
    mark_small();
    if (auto ok = round_all(); !ok) return ok.error();
    if (auto ok = settle(); !ok) return ok.error();
    if (evaluation != nullptr)
      if (auto ok = evaluate(*evaluation); !ok) return ok.error();
    std::vector<std::pair<std::string, std::string>> meta = meta_lines();
    auto file = emit_integer(plain_, plan_, grids_, rounded_, tables_, options_.input, meta);
    if (!file) return file.error();
    finish_report(*file);
    return file;
  }

private:
  void plan() {
    std::vector<attention_pattern> attention = find_attention(plain_);
    std::erase_if(attention, [&](const attention_pattern& p) {
      const std::uint32_t y = plain_.ops[p.product].outputs[0];
      return std::find(coarse_.begin(), coarse_.end(), y) != coarse_.end();
    });
    plan_ = plan_lowering(plain_, general_, attention);
    g_ = plain_;
    expose_logits(g_);
  }

  result<void> calibrate_fp32(bool targets) {
    auto seen = calibrate(g_, plan_, samples_, targets, options_.positions, options_.run, options_.progress);
    if (!seen) return seen.error();
    if (real_.empty()) real_ = seen->outputs;  // before anything was sliced
    seen_ = std::move(*seen);
    return {};
  }

  /// Finds attention whose scores take steps too coarse for the integer softmax; it stays in f32 from the next plan on.
  bool any_coarse(const std::vector<quantization>& grids) {
    const std::size_t before = coarse_.size();
    const auto grid = [&](std::uint32_t v) { return grids[plan_.grids[plan_.roots[v]]]; };
    for (std::size_t i = 0; i < plain_.ops.size(); ++i) {
      const lowered_step& s = plan_.steps[i];
      if (s.how != runs_as::attention) continue;
      const std::uint32_t y = plain_.ops[i].outputs[0];
      kernels::attention_factors f;
      f.heads = s.attributes[0];
      if (!kernels::make_attention_factors(plan_.layouts[s.x[0]]->shape.c, grid(s.x[0]), grid(s.x[1]), grid(s.x[2]),
                                           grid(y), f))
        coarse_.push_back(y);
    }
    return coarse_.size() != before;
  }

  /// Everything that follows from running the fp32 model: slices, grids, what rounding needs to know.
  result<void> look() {
    if (options_.method != range_method::output) {
      if (auto ok = calibrate_fp32(true); !ok) return ok;
      grids_ = choose_grids(plan_, seen_, options_.method, options_.percentile);
      if (!any_coarse(grids_)) return {};
      plan();
      return look();
    }
    if (auto ok = calibrate_fp32(false); !ok) return ok;
    grids_ = choose_grids(plan_, seen_, range_method::mse, options_.percentile);
    const auto whole = choose_grids(plan_, seen_, range_method::output, options_.percentile);
    if (any_coarse(whole)) {
      plan();
      return look();
    }
    auto noise = tune_grids(g_, plan_, samples_, seen_, grids_, whole, options_.tune_samples, options_.run,
                            options_.progress);
    if (!noise) return noise.error();
    const auto splits = choose_splits(plain_, plan_, seen_, whole, *noise, options_.split);
    for (const grid_split& s : splits) {
      grids_[s.grid] = {s.slice / 255.0f, 0};
      for (const auto& parts : s.parts)
        for (const std::int32_t n : parts) report_.added_channels += static_cast<std::size_t>(n - 1);
    }
    std::vector<std::uint32_t> fixed;
    for (const grid_split& s : splits) fixed.push_back(s.grid);
    add_headroom(g_, plan_, *noise, options_.headroom, fixed, grids_);
    keep_expressible(plan_, grids_);
    if (!splits.empty()) {
      split_channels(plain_, plan_, splits);
      std::vector<quantization> kept = std::move(grids_);
      plan();
      grids_ = std::move(kept);  // values keep their numbers: the graph has only grown
      grids_.resize(plan_.grids.size());
    }
    return calibrate_fp32(true);
  }

  /// With u8 pixels as input nothing but layers may read the input.
  result<void> check_pixels() const {
    for (const lowered_port& p : plain_.inputs) {
      const lowered_value& v = plain_.values[p.value];
      if (v.type != dtype::f32 || v.dims.size() != 4 || !channels_first(v.dims))
        return failure{errc::unsupported, "u8 input needs f32 images (1, C, H, W)"}.named(p.name.data(), p.name.size());
      for (std::size_t i = 0; i < plain_.ops.size(); ++i)
        if (plan_.steps[i].how != runs_as::layer &&
            std::find(plain_.ops[i].inputs.begin(), plain_.ops[i].inputs.end(), p.value) != plain_.ops[i].inputs.end())
          return failure{errc::unsupported, "u8 input needs a model that convolves its input first"}.named(
              p.name.data(), p.name.size());
    }
    return {};
  }

  result<void> make_tables() {
    tables_.assign(g_.ops.size(), {});
    const auto grid = [&](std::uint32_t v) { return grids_[plan_.grids[plan_.roots[v]]]; };
    for (std::size_t i = 0; i < g_.ops.size(); ++i) {
      const lowered_step& s = plan_.steps[i];
      if (s.how != runs_as::table) continue;
      auto table = table_of(g_, i, s.x[0], grid(s.x[0]), grid(g_.ops[i].outputs[0]), options_.run);
      if (!table) return table.error();
      tables_[i] = std::move(*table);
    }
    return {};
  }

  void round_one(std::size_t i, const layer_inputs& in, std::int32_t bits) {
    const weight_layer& l = plan_.layers[i];
    rounding_options o;
    o.bits = bits;
    o.group = group_of(l);
    o.second_order = options_.second_order;
    o.correct_bias = options_.correct_bias;
    o.exec = options_.run.exec;
    std::optional<quantization> y;
    if (plan_.as_u8[l.y]) y = grids_[plan_.grids[l.y]];
    rounded_[i] = round_layer(l, in, o, least_scales(l, grids_[plan_.grids[plan_.roots[l.x]]], y));
  }

  std::int32_t group_of(const weight_layer& l) const {
    if (options_.group != auto_group) return options_.group;
    return l.to.shape.h * l.to.shape.w > 64 ? 32 : 64;
  }

  bool narrow(std::size_t i) const {
    const layer_report& l = report_.layers[rows_[i]];
    return options_.bits == 4 && plan_.layers[i].kind != op_kind::dwconv2d && !l.is_small && !l.fell_back &&
           !(options_.ends_at_8 && l.is_end);
  }

  /// Of 16 samples and more, every eighth judges the loss instead of shaping the weights: on those that did, it is
  /// several dB less than on others.
  bool held_out(std::size_t sample) const { return samples_.count >= 16 && sample % 8 == 3; }

  /// Rounds layer after layer, each for what the rounded ones before it make of the samples.
  result<void> round_all() {
    const std::size_t n = plan_.layers.size();
    rounded_.assign(n, {});
    const std::size_t positions = quantize_impl::positions_per_sample(options_.positions, samples_);
    for (std::size_t first = 0; first < n;) {
      if (options_.progress) options_.progress("round", first, n);
      const std::uint32_t x = plan_.layers[first].x;
      std::size_t last = first + 1;
      while (last < n && plan_.layers[last].x == x) ++last;
      auto run = prefix_run::prepare(g_, plan_, grids_, rounded_, tables_, x, options_.run);
      if (!run) return run.error();
      std::vector<layer_inputs> inputs;
      for (std::size_t i = first; i < last; ++i)
        inputs.emplace_back(plan_.layers[i], options_.second_order || options_.bits == 4, 1 + i);
      for (std::size_t s = 0; s < samples_.count; ++s) {
        if (held_out(s)) continue;
        const auto values = run->run(samples_, s);
        if (!values) return values.error();
        for (std::size_t i = first; i < last; ++i)
          inputs[i - first].see(plan_.layers[i], *values, s, seen_.targets[i].of(s), positions,
                                options_.run.exec);
      }
      for (const layer_inputs& in : inputs) {
        round_one(first, in, narrow(first) ? 4 : 8);
        ++first;
      }
    }
    if (options_.progress) options_.progress("round", n, n);
    return {};
  }

  /// One row of the report per layer, as if all ran in f32.
  void list_layers() {
    for (const weight_layer& l : plan_.layers) {
      layer_report to{l.name, l.kind, 32};
      to.sqnr_db = 200;
      to.parameters = l.w.size() + l.bias.size();
      to.bytes = to.bytes_fp32 = 4 * to.parameters;
      rows_.push_back(report_.layers.size());
      report_.layers.push_back(std::move(to));
    }
  }

  /// Layers that see the model's input with no layer before them, and those with none behind them.
  void mark_ends() {
    std::vector<bool> behind(g_.values.size(), false), before(g_.values.size(), false);
    for (std::size_t i = 0; i < g_.ops.size(); ++i) {
      bool any = plan_.steps[i].how == runs_as::layer;
      for (const std::uint32_t v : g_.ops[i].inputs) any = any || (v != no_value && behind[v]);
      if (plan_.steps[i].how == runs_as::layer && !behind[g_.ops[i].inputs[0]])
        report_.layers[plan_.steps[i].layer].is_end = true;
      for (const std::uint32_t v : g_.ops[i].outputs) behind[v] = any;
    }
    for (std::size_t i = g_.ops.size(); i-- > 0;) {
      bool any = false;
      for (const std::uint32_t v : g_.ops[i].outputs) any = any || before[v];
      const bool is_layer = plan_.steps[i].how == runs_as::layer;
      if (is_layer && !any) report_.layers[plan_.steps[i].layer].is_end = true;
      for (const std::uint32_t v : g_.ops[i].inputs)
        if (v != no_value) before[v] = before[v] || any || is_layer;
    }
  }

  void mark_small() {
    std::vector<std::size_t> sizes;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
      const std::size_t n = plan_.layers[i].w.size();
      sizes.push_back(narrow(i) ? n : 0);
      bytes += narrow(i) ? n / 2 : n;
    }
    const std::vector<bool> small = small_layers(sizes, bytes, options_.widen);
    for (std::size_t i = 0; i < small.size(); ++i) report_.layers[i].is_small = small[i];
  }

  result<std::unique_ptr<sample_run>> quantized() const {
    auto file = emit_integer(g_, plan_, grids_, rounded_, tables_, {}, {});
    if (!file) return file.error();
    return sample_run::prepare(std::move(*file), g_.inputs, options_.run);
  }

  result<void> measure_calibration() {
    auto run = quantized();
    if (!run) return run.error();
    auto rows = agreement(g_, **run, samples_, [&](std::size_t i, std::size_t k) {
      return std::span<const float>(real_[i][k]);
    });
    if (!rows) return rows.error();
    report_.calibration = std::move(*rows);
    std::vector<std::size_t> judges;
    for (std::size_t i = 0; i < samples_.count; ++i)
      if (held_out(i)) judges.push_back(i);
    report_.held_out = judges.size();
    if (judges.empty()) {
      note_losses(report_.calibration);
      return {};
    }
    const sample_set fresh{judges.size(), [&](std::size_t i, std::span<const std::span<std::byte>> inputs) {
                             return samples_.load(judges[i], inputs);
                           }};
    auto held = agreement(g_, **run, fresh, [&](std::size_t i, std::size_t k) {
      return std::span<const float>(real_[judges[i]][k]);
    });
    if (!held) return held.error();
    note_losses(*held);
    return {};
  }

  void note_losses(std::span<const output_agreement> rows) {
    losses_ = losses_percent(rows);
    report_.loss = loss_percent(rows);
  }

  /// While the loss is too large, four-bit layers go to 8 bits, then what disturbs the outputs most to f32, and all
  /// are rounded again.
  result<void> settle() {
    for (;;) {
      if (auto ok = measure_calibration(); !ok) return ok;
      if (report_.loss <= options_.max_loss) return {};
      if (!widen_loudest()) {
        auto fewer = leave_integers();
        if (!fewer) return fewer.error();
        if (!*fewer) return {};
      }
      if (auto ok = round_all(); !ok) return ok;
    }
  }

  /// Moves four-bit layers to 8 bits: those first whose relative noise per byte that it costs is largest, as many as
  /// should do if noise is what they add. Returns whether any was left.
  bool widen_loudest() {
    const auto ratio = [&](std::size_t i) {
      return rounded_[i].signal > 0 ? rounded_[i].noise / rounded_[i].signal : 0.0;
    };
    std::vector<std::size_t> order;
    double left = 0;
    for (std::size_t i = 0; i < rounded_.size(); ++i)
      if (rounded_[i].bits == 4) order.push_back(i), left += ratio(i);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return ratio(a) * static_cast<double>(plan_.layers[b].w.size()) >
             ratio(b) * static_cast<double>(plan_.layers[a].w.size());
    });
    const double bound = left * options_.max_loss / report_.loss;
    for (std::size_t k = 0; k < order.size() && (k == 0 || left > bound); ++k) {
      left -= ratio(order[k]);
      report_.layers[rows_[order[k]]].fell_back = true;
    }
    return !order.empty();
  }

  /// Leaves in f32 what reads the grids that disturb the outputs most. Returns whether there was any.
  result<bool> leave_integers() {
    if (!options_.f32_for_loss) return false;
    if (blame_.grid.empty()) {
      auto blame = blame_grids(g_, plan_, samples_, real_, grids_, options_.blame_samples, options_.run,
                               options_.progress);
      if (!blame) return blame.error();
      blame_ = std::move(*blame);
    }
    constexpr double margin = 0.8;  // the rest is rounded anew, which moves its noise
    if (!choose_f32(g_, plan_, blame_, losses_, margin * options_.max_loss, general_)) return false;
    if (auto ok = plan_again(); !ok) return ok.error();
    return true;
  }

  /// Plans with more in f32. Values that are on a grid still keep it.
  result<void> plan_again() {
    const quantize_plan before = std::move(plan_);
    plan();
    std::vector<quantization> grids(plan_.grids.size());
    for (std::uint32_t v = 0; v < grids.size(); ++v)
      if (plan_.as_u8[v]) grids[plan_.grids[v]] = grids_[before.grids[before.roots[v]]];
    grids_ = std::move(grids);
    std::vector<std::size_t> rows;
    std::size_t k = 0;
    for (const weight_layer& l : plan_.layers) {
      while (before.layers[k].y != l.y) ++k;
      rows.push_back(rows_[k]);
    }
    rows_ = std::move(rows);
    if (auto ok = calibrate_fp32(true); !ok) return ok;
    return make_tables();
  }

  result<void> evaluate(const sample_set& samples) {
    auto run = quantized();
    if (!run) return run.error();
    auto real = sample_run::prepare(reference_, {}, false, options_.run);
    if (!real) return real.error();
    result<void> trouble;
    std::size_t last = samples.count;
    auto rows = agreement(g_, **run, samples, [&](std::size_t i, std::size_t k) {
      if (i != last && options_.progress) options_.progress("evaluate", i, samples.count);
      if (i != last && trouble) trouble = (*real)->run(samples, i);
      last = i;
      return (*real)->f32(g_.outputs[k].name);
    });
    if (!rows) return rows.error();
    if (!trouble) return trouble;
    if (options_.progress) options_.progress("evaluate", samples.count, samples.count);
    report_.evaluation = std::move(*rows);
    return {};
  }

  std::vector<std::pair<std::string, std::string>> meta_lines() const {
    std::vector<std::pair<std::string, std::string>> lines = meta_of(model_);
    lines.emplace_back("quantized", options_.bits == 4 ? "int4" : "int8");
    lines.emplace_back("quantized.from", std::string(model_.short_identity().data()));
    return lines;
  }

  void finish_report(const file_bytes& file) {
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
      const weight_layer& l = plan_.layers[i];
      const rounded_layer& r = rounded_[i];
      layer_report& to = report_.layers[rows_[i]];
      to.bits = r.bits;
      to.group = r.group;
      to.sqnr_db = r.sqnr_db();
      const std::size_t packed = i4s_bytes(l.channels(), l.depth(), static_cast<std::size_t>(r.group));
      to.bytes = 8 * l.bias.size() + (r.bits == 4 ? packed : l.w.size());
      if (plan_.as_u8[l.x])
        to.reads = histogram_of(seen_.ranges[plan_.observed[l.x]].kept(), grids_[plan_.grids[plan_.roots[l.x]]]);
    }
    report_.bytes = file.bytes().size();
    report_.bytes_fp32 = model_.file().size();
    const auto m = model::open(file.bytes());
    if (!m) return;
    for (const format::op_row& op : m->ops()) ++(is_general(op.kind) ? report_.general_ops : report_.integer_ops);
  }

  const model& model_;
  const sample_set& samples_;
  const quantize_options& options_;
  quantize_report& report_;
  lowered_graph plain_, g_;   // g_: with the outputs that are only measured
  lowered_graph reference_;   // as it came, with the same
  std::vector<std::vector<std::vector<float>>> real_;  // what it gives on the calibration samples
  quantize_plan plan_;
  calibration seen_;
  std::vector<quantization> grids_;
  std::vector<std::uint32_t> coarse_;  // results of attention that stays in f32
  std::vector<u8_table_values> tables_;
  std::vector<rounded_layer> rounded_;
  std::vector<std::size_t> rows_;      // of the report, by layer of the plan
  std::vector<double> losses_;         // by output that counts
  grid_blame blame_;                   // of the first plan that missed the loss with all layers at 8 bits
  std::vector<std::uint8_t> general_;  // by op: left in f32 to hold the loss
};

}  // namespace quantize_impl

DSMM_INLINE result<file_bytes> quantize_model(const model& m, const sample_set& samples,
                                              const quantize_options& options, quantize_report* report,
                                              const sample_set* evaluation) {
  quantize_report unread;
  quantize_report& notes = report != nullptr ? *report : unread;
  notes = {};
  return quantize_impl::quantizer(m, samples, options, notes).run(evaluation);
}

}  // namespace dsmm::inline DSMM_ABI::convert
