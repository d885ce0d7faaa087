// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Reductions and normalisations.
namespace dsmm::inline DSMM_ABI::convert {

struct reduce_row {
  std::string_view op;
  reduce_fn fn;
};

inline constexpr reduce_row reduce_rows[] = {
    {"ReduceL1", reduce_fn::l1},          {"ReduceL2", reduce_fn::l2},
    {"ReduceLogSum", reduce_fn::log_sum}, {"ReduceLogSumExp", reduce_fn::log_sum_exp},
    {"ReduceMax", reduce_fn::max},        {"ReduceMean", reduce_fn::mean},
    {"ReduceMin", reduce_fn::min},        {"ReduceProd", reduce_fn::prod},
    {"ReduceSum", reduce_fn::sum},        {"ReduceSumSquare", reduce_fn::sum_square},
};

inline void lower_reduce(node_scope& s) {
  const var x = s.in(0);
  const auto given = s.list("axes", 1, "axes of a reduction must be known when the model is imported");
  if (s.to.failed()) return;
  dim_list axes = given ? s.axes(*given, x.rank()) : dim_list();
  if (axes.empty() && !s.flag("noop_with_empty_axes")) {
    axes.resize(x.dims().size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (s.to.failed()) return;
  for (const reduce_row& r : reduce_rows)
    if (r.op == s.node.op) s.out[0] = reduce(r.fn, x, axes, s.flag("keepdims", true));
}

/// (C) as (C, 1, ...), to meet (N, C, ...).
inline var per_channel(var v, std::int64_t rank) {
  dim_list dims(static_cast<std::size_t>(std::max<std::int64_t>(rank - 1, 1)), 1);
  if (v.to->failed()) return v;
  dims[0] = v.count();
  return v.to->reshape(v, dims);
}

/// With the mean and variance of x itself, as weight standardisation uses it; outputs 1 and 2 are the running ones.
inline void lower_batch_statistics(node_scope& s) {
  const var x = s.in(0), scale = s.in(1), bias = s.in(2), mean = s.in(3), variance = s.in(4);
  if (s.to.failed()) return;
  if (x.rank() < 2) return s.fail(errc::shape_mismatch, "BatchNormalization: the input has no channels");
  dim_list axes{0};
  for (std::int64_t i = 2; i < x.rank(); ++i) axes.push_back(i);
  const var wide = cast(x, mean.type()), centre = reduce(reduce_fn::mean, wide, axes, true), rest = wide - centre;
  const var spread = reduce(reduce_fn::mean, rest * rest, axes, true);
  const auto fit = [&](var v) { return per_channel(cast(v, wide.type()), x.rank()); };
  const var factor = fit(scale) / sqrt(spread + static_cast<double>(s.real("epsilon", 1e-5f)));
  s.out[0] = cast(rest * factor + fit(bias), x.type());
  const auto kept = static_cast<double>(s.real("momentum", 0.9f));
  const auto running = [&](var before, var now) {
    return before * kept + s.to.reshape(now, before.dims()) * (1.0 - kept);
  };
  if (s.wants(1)) s.out[1] = running(mean, centre);
  if (s.wants(2)) s.out[2] = running(variance, spread);
}

/// (x - mean) / sqrt(var + eps) * scale + bias as one multiplication and one addition, whose factors are constants.
inline void lower_batch_normalization(node_scope& s) {
  const var x = s.in(0), scale = s.in(1), bias = s.in(2), mean = s.in(3), variance = s.in(4);
  if (s.flag("training_mode")) return lower_batch_statistics(s);
  if (s.wants(1)) return s.fail(errc::unsupported, "BatchNormalization: training is not supported");
  if (s.to.failed()) return;
  if (x.rank() < 1) return s.fail(errc::shape_mismatch, "BatchNormalization: the input has no channels");
  const dtype wide = mean.type();
  const var factor = cast(scale, wide) / sqrt(variance + static_cast<double>(s.real("epsilon", 1e-5f)));
  const var offset = cast(bias, wide) - mean * factor;
  const auto fit = [&](var v) { return cast(per_channel(v, x.rank()), x.type()); };
  if (x.type() == wide) {
    s.out[0] = x * fit(factor) + fit(offset);
  } else {
    s.out[0] = cast(cast(x, wide) * per_channel(factor, x.rank()) + per_channel(offset, x.rank()), x.type());
  }
}

/// Up to operator set 20, GroupNormalization has one scale and one bias per group: that of each channel.
inline var of_channels(node_scope& s, var v, std::int64_t groups, std::int64_t channels) {
  if (s.to.failed() || s.node.op != "GroupNormalization" || s.opset >= 21 || v.count() != groups) return v;
  return s.to.reshape(repeat(s.to.reshape(v, {groups, 1}), 1, channels / groups), {channels});
}

inline void lower_group_norm(node_scope& s) {
  const var x = s.in(0);
  var scale = s.in(1), bias = s.in(2);
  if (s.to.failed()) return;
  if (x.rank() < 2) return s.fail(errc::shape_mismatch, "the input has no channels");
  const std::int64_t groups = s.node.op == "InstanceNormalization" ? x.dim(1) : s.integer("num_groups", 0);
  if (groups < 1 || x.dim(1) % groups != 0) return s.fail(errc::bad_value, "attribute num_groups");
  scale = of_channels(s, scale, groups, x.dim(1));
  bias = of_channels(s, bias, groups, x.dim(1));
  s.out[0] = s.to.emit(op_kind::nd_group_norm, {x, cast(scale, x.type()), cast(bias, x.type())},
                       {static_cast<std::int32_t>(groups), bits_of(s.real("epsilon", 1e-5f))}, x.type(), x.dims());
}

/// LayerNormalization and its kind without mean; outputs 1 and 2 are mean (layer norm only) and 1 / deviation.
inline void emit_layer_norm(node_scope& s, var x, var scale, var bias, std::int64_t axis, float epsilon, bool rms) {
  if (s.to.failed()) return;
  const std::int32_t attributes[] = {static_cast<std::int32_t>(axis), bits_of(epsilon), rms ? 1 : 0};
  dim_list statistics = x.dims();
  std::fill(statistics.begin() + axis, statistics.end(), 1);
  const dtype wide = x.type() == dtype::f64 ? dtype::f64 : dtype::f32;
  const value_type types[] = {{x.type(), x.dims()}, {wide, statistics}, {wide, statistics}};
  const var inputs[] = {x, scale ? cast(scale, x.type()) : scale, bias ? cast(bias, x.type()) : bias};
  const bool all = s.wants(1) || s.wants(2);
  const auto y = s.to.emit(op_kind::nd_layer_norm, inputs, attributes, std::span(types, all ? 3 : 1));
  s.out[0] = y[0];
  for (std::size_t i = 1; all && i < 3 && i < s.out.size(); ++i) s.out[i] = y[i];
}

inline void lower_layer_norm(node_scope& s) {
  const var x = s.in(0), scale = s.in(1);
  const bool rms = s.node.op != "LayerNormalization";
  const std::int64_t axis = s.axis("axis", -1, x.rank());
  emit_layer_norm(s, x, scale, rms ? var{} : s.optional(2), axis, s.real("epsilon", 1e-5f), rms);
}

/// x + skip (+ bias), normalised over the last axis; the last output is the sum.
inline void lower_skip_layer_norm(node_scope& s) {
  const bool rms = s.node.op == "SkipSimplifiedLayerNormalization";
  var x = s.in(0) + s.in(1);
  const var bias = s.optional(rms ? 3 : 4);
  if (bias) x = x + bias;
  if (s.wants(1) || s.wants(2)) return s.fail(errc::unsupported, "SkipLayerNormalization: mean is not supported");
  emit_layer_norm(s, x, s.in(2), rms ? var{} : s.optional(3), x.rank() - 1, s.real("epsilon", 1e-12f), rms);
  if (s.out.size() > 3) s.out[3] = x;
}

inline void lower_lp_norm(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t axis = s.axis("axis", -1, x.rank()), p = s.integer("p", 2);
  if (p != 1 && p != 2) return s.fail(errc::bad_value, "LpNormalization: attribute p must be 1 or 2");
  s.out[0] = s.to.emit(op_kind::nd_lp_norm, {x}, {static_cast<std::int32_t>(axis), static_cast<std::int32_t>(p)},
                       x.type(), x.dims());
}

inline void lower_lrn(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t size = s.integer("size", 0);
  if (size < 1 || size > format::max_window) return s.fail(errc::bad_value, "LRN: attribute size must be positive");
  s.out[0] = s.to.emit(op_kind::nd_lrn, {x},
                       {static_cast<std::int32_t>(size), bits_of(s.real("alpha", 1e-4f)),
                        bits_of(s.real("beta", 0.75f)), bits_of(s.real("bias", 1.0f))},
                       x.type(), x.dims());
}

/// (x - mean) / (deviation + 1e-9) over axes.
inline void lower_mean_variance(node_scope& s) {
  const var x = s.in(0);
  const dim_list axes = s.axes(s.integers("axes", {0, 2, 3}), x.rank());
  if (s.to.failed()) return;
  const var mean = reduce(reduce_fn::mean, x, axes, true);
  const var square = reduce(reduce_fn::mean, x * x, axes, true);
  s.out[0] = (x - mean) / (sqrt(square - mean * mean) + 1e-9);
}

inline constexpr lowering reduce_lowerings[] = {
    {"", "BatchNormalization", lower_batch_normalization},
    {"", "GroupNormalization", lower_group_norm},
    {"", "InstanceNormalization", lower_group_norm},
    {"", "LRN", lower_lrn},
    {"", "LayerNormalization", lower_layer_norm},
    {"", "LpNormalization", lower_lp_norm},
    {"", "MeanVarianceNormalization", lower_mean_variance},
    {"", "RMSNormalization", lower_layer_norm},
    {"", "SimplifiedLayerNormalization", lower_layer_norm},
    {microsoft, "SimplifiedLayerNormalization", lower_layer_norm},
    {microsoft, "SkipLayerNormalization", lower_skip_layer_norm},
    {microsoft, "SkipSimplifiedLayerNormalization", lower_skip_layer_norm},
};

}  // namespace dsmm::inline DSMM_ABI::convert
