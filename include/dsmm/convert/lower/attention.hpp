// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/lower/index.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Attention of transformers, composed of products and softmax.
namespace dsmm::inline DSMM_ABI::convert {

inline constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

/// (B, S, heads * D) -> (B, heads, S, D); what has rank 4 already stays.
inline var split_heads(node_scope& s, var x, std::int64_t heads) {
  if (s.to.failed() || x.rank() == 4) return x;
  if (x.rank() != 3 || heads < 1 || x.dim(2) % heads != 0)
    return s.to.fail(errc::shape_mismatch, "the input cannot be split into the number of heads");
  return swap_axes(s.to.reshape(x, {x.dim(0), x.dim(1), heads, x.dim(2) / heads}), 1, 2);
}

/// (B, heads, S, D) -> (B, S, heads * D)
inline var join_heads(var x) {
  if (x.to->failed()) return x;
  return x.to->reshape(swap_axes(x, 1, 2), {x.dim(0), x.dim(2), x.dim(1) * x.dim(3)});
}

/// (B, H, S, D) -> (B, H * times, S, D), each head behind itself.
inline var repeat_heads(var x, std::int64_t times) {
  if (x.to->failed() || times == 1) return x;
  const var wide = expand(unsqueeze(x, 2), {x.dim(0), x.dim(1), times, x.dim(2), x.dim(3)});
  return x.to->reshape(wide, {x.dim(0), x.dim(1) * times, x.dim(2), x.dim(3)});
}

struct attention_inputs {
  var q, k, v;  ///< (B, heads, S, D)
  var bias;     ///< added to the products; optional
  double scale = 1;
  float softcap = 0;
  std::int64_t stage = -1;  ///< which intermediate to keep: 0 products, 1 capped, 2 with bias, 3 softmax
  dtype precision = dtype::f32;
};

struct attention_outputs {
  var y, kept;
};

/// softmax(q k^T * scale + bias) v; a row in which everything is masked gives 0.
inline attention_outputs attend(node_scope& s, const attention_inputs& a) {
  if (s.to.failed()) return {a.q, {}};
  const std::int64_t times = a.k.dim(1) == 0 ? 1 : a.q.dim(1) / a.k.dim(1);
  if (a.k.dim(1) * times != a.q.dim(1)) return {s.to.fail(errc::shape_mismatch, "heads do not fit together"), {}};
  const var k = repeat_heads(a.k, times), v = repeat_heads(a.v, times);
  var product;
  if (is_narrow_float(a.q.type())) {  // rounded where ONNX rounds
    const double half = std::sqrt(a.scale);
    product = matmul(a.q * half, k * half, {}, {false, true});
  } else {
    product = matmul(a.q, k, {}, {false, true, static_cast<float>(a.scale)});
  }
  var kept = product;
  if (a.softcap > 0) {
    const auto cap = static_cast<double>(a.softcap);
    product = unary(unary_fn::tanh, product / cap) * cap;
  }
  if (a.stage == 1) kept = product;
  if (a.bias) product = product + a.bias;
  if (a.stage == 2) kept = product;
  if (s.to.failed()) return {product, {}};
  var p = softmax(softmax_fn::softmax, cast(product, a.precision), 3);
  if (a.bias && !s.to.failed()) {
    const var most = reduce(reduce_fn::max, a.bias, {a.bias.rank() - 1}, true);
    const var masked = binary(binary_fn::equal, most, scalar(s.to, most.type(), minus_infinity));
    p = where(masked, scalar(s.to, p.type(), 0), p);
  }
  p = cast(p, a.q.type());
  if (a.stage == 3) kept = p;
  return {matmul(p, v), kept};
}

/// Where `allowed` holds 0, elsewhere minus infinity.
inline var mask_bias(node_scope& s, var allowed, dtype type) {
  return where(allowed, scalar(s.to, type, 0), scalar(s.to, type, minus_infinity));
}

/// The positions of queries minus those of keys: (S, L) or, with one offset per item, (B, 1, S, L).
inline var distances(node_scope& s, std::int64_t queries, std::int64_t keys, var offset) {
  const var rows = s.to.reshape(iota(s.to, queries), {queries, 1}), columns = iota(s.to, keys);
  return (rows + offset) - columns;
}

/// The mask input as a bias; shorter ones are filled up with "masked".
inline var bias_of_mask(node_scope& s, var mask, std::int64_t keys, dtype type) {
  if (s.to.failed()) return mask;
  if (mask.type() == dtype::b8) mask = mask_bias(s, mask, type);
  if (s.to.failed() || mask.rank() < 1 || mask.dim(mask.rank() - 1) == keys || mask.dim(mask.rank() - 1) == 1)
    return mask;
  dim_list begins(mask.dims().size(), 0), ends = begins;
  ends.back() = keys - mask.dim(mask.rank() - 1);
  if (ends.back() < 0) return s.to.fail(errc::shape_mismatch, "Attention: the mask is longer than the keys");
  return pad(mask, kernels::nd::pad_fn::constant, begins, ends, scalar(s.to, type, minus_infinity));
}

/// Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen -> Y, present_key, present_value, qk
inline void lower_attention(node_scope& s) {
  attention_inputs a;
  const bool flat_heads = s.in(0).rank() == 3;
  const std::int64_t q_heads = s.integer("q_num_heads", 0), kv_heads = s.integer("kv_num_heads", 0);
  a.q = split_heads(s, s.in(0), q_heads);
  a.k = split_heads(s, s.in(1), kv_heads);
  a.v = split_heads(s, s.in(2), kv_heads);
  if (s.to.failed()) return;
  if (a.q.rank() != 4 || a.k.rank() != 4 || a.v.rank() != 4) return s.fail(errc::shape_mismatch, "Attention: ranks");
  const dtype type = a.q.type();
  const std::int64_t past = s.has(4) ? s.in(4).dim(2) : 0;
  if (s.has(4) && s.has(5)) {
    a.k = concat(s.to, std::vector<var>{s.in(4), a.k}, 2);
    a.v = concat(s.to, std::vector<var>{s.in(5), a.v}, 2);
  }
  if (s.to.failed()) return;
  const std::int64_t queries = a.q.dim(2), keys = a.k.dim(2);
  const var lengths = s.optional(6);
  const auto add = [&](var b) { a.bias = a.bias ? a.bias + b : b; };
  if (s.has(3)) add(bias_of_mask(s, s.in(3), keys, type));
  const std::int64_t left = s.integer("left_window_size", -1), right = s.integer("right_window_size", -1);
  if (s.flag("is_causal") || left >= 0 || right >= 0) {
    const bool static_cache = lengths && !s.has(4);
    const var offset = static_cache ? s.to.reshape(lengths, {lengths.count(), 1, 1, 1}) - static_cast<double>(queries)
                                    : s.to.integer(past);
    const var d = distances(s, queries, keys, offset);
    if (s.flag("is_causal")) add(mask_bias(s, binary(binary_fn::greater_equal, d, s.to.integer(0)), type));
    if (left >= 0) add(mask_bias(s, binary(binary_fn::less_equal, d, s.to.integer(left)), type));
    if (right >= 0) add(mask_bias(s, binary(binary_fn::greater_equal, d, s.to.integer(-right)), type));
  }
  if (lengths && !s.to.failed())
    add(mask_bias(s, binary(binary_fn::less, iota(s.to, keys), s.to.reshape(lengths, {lengths.count(), 1, 1, 1})),
                  type));
  const double otherwise = a.q.dim(3) > 0 ? 1.0 / std::sqrt(static_cast<double>(a.q.dim(3))) : 1.0;
  a.scale = s.has_attribute("scale") ? static_cast<double>(s.real("scale", 1)) : otherwise;
  a.softcap = s.real("softcap", 0);
  a.stage = s.wants(3) ? s.integer("qk_matmul_output_mode", 0) : -1;
  a.precision = type;
  if (const onnx::type_row* row = onnx::find_type(s.integer("softmax_precision", 0)); row != nullptr && row->type)
    a.precision = *row->type;
  const attention_outputs y = attend(s, a);
  s.out[0] = flat_heads ? join_heads(y.y) : y.y;
  const var more[] = {a.k, a.v, y.kept};
  for (std::size_t i = 1; i < s.out.size() && i < 4; ++i) s.out[i] = more[i - 1];
}

/// com.microsoft: query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value
inline void lower_multi_head_attention(node_scope& s) {
  const std::int64_t heads = s.integer("num_heads", 0);
  if (s.has(4)) return s.fail(errc::unsupported, "MultiHeadAttention: key_padding_mask is not supported");
  if (!s.has(1) || !s.has(2)) return s.fail(errc::unsupported, "MultiHeadAttention: packed inputs are not supported");
  var q = s.in(0), k = s.in(1), v = s.in(2);
  if (s.to.failed()) return;
  if (s.has(3)) {
    const var bias = s.in(3);
    const std::int64_t n = q.dim(q.rank() - 1), m = k.dim(k.rank() - 1);
    q = q + slice(bias, 0, 0, n);
    k = k + slice(bias, 0, n, m);
    v = v + slice(bias, 0, n + m, bias.count() - n - m);
  }
  attention_inputs a;
  a.q = split_heads(s, q, heads);
  a.k = split_heads(s, k, heads);
  a.v = split_heads(s, v, heads);
  if (s.has(6) && s.has(7)) {
    a.k = concat(s.to, std::vector<var>{s.in(6), a.k}, 2);
    a.v = concat(s.to, std::vector<var>{s.in(7), a.v}, 2);
  }
  a.bias = s.optional(5);
  if (s.to.failed()) return;
  if (s.flag("unidirectional")) {
    const var d = distances(s, a.q.dim(2), a.k.dim(2), s.to.integer(a.k.dim(2) - a.q.dim(2)));
    const var causal = mask_bias(s, binary(binary_fn::greater_equal, d, s.to.integer(0)), a.q.type());
    a.bias = a.bias ? a.bias + causal : causal;
  }
  a.scale = s.has_attribute("scale") && s.real("scale", 0) != 0 ? static_cast<double>(s.real("scale", 0))
                                                                : 1.0 / std::sqrt(static_cast<double>(a.q.dim(3)));
  a.precision = a.q.type();
  const attention_outputs y = attend(s, a);
  s.out[0] = join_heads(y.y);
  if (s.out.size() > 1) s.out[1] = a.k;
  if (s.out.size() > 2) s.out[2] = a.v;
}

/// X, cos_cache, sin_cache, position_ids: pairs of the last axis are turned by an angle per position.
inline void lower_rotary_embedding(node_scope& s) {
  var x = s.in(0), cosine = s.in(1), sine = s.in(2);
  if (s.to.failed()) return;
  const bool flat_heads = x.rank() == 3, interleaved = s.flag("interleaved");
  x = split_heads(s, x, s.integer("num_heads", 0));  // (B, heads, S, D)
  if (s.to.failed()) return;
  const std::int64_t size = x.dim(3),
                     turned = s.integer("rotary_embedding_dim", 0) == 0 ? size : s.integer("rotary_embedding_dim", 0);
  if (turned < 2 || turned % 2 != 0 || turned > size) return s.fail(errc::bad_value, "attribute rotary_embedding_dim");
  const std::int64_t half = turned / 2;
  if (s.has(3) && cosine.rank() == 2) {
    if (!check_indices(s, s.in(3), cosine.dim(0))) return;
    cosine = gather(cosine, s.in(3), 0);
    sine = gather(sine, s.in(3), 0);
  }
  if (s.to.failed()) return;
  if (cosine.rank() != 3 || cosine.dim(2) != half)
    return s.fail(errc::shape_mismatch, "RotaryEmbedding: the caches do not fit");
  cosine = unsqueeze(cosine, 1);  // (B, 1, S, D / 2)
  sine = unsqueeze(sine, 1);
  const var part = slice(x, 3, 0, turned);
  const var a = interleaved ? slice(part, 3, 0, half, 2) : slice(part, 3, 0, half);
  const var b = interleaved ? slice(part, 3, 1, half, 2) : slice(part, 3, half, half);
  const var real = cosine * a - sine * b, imaginary = sine * a + cosine * b;
  var y;
  if (interleaved) {
    y = concat(s.to, std::vector<var>{unsqueeze(real, 4), unsqueeze(imaginary, 4)}, 4);
    y = s.to.reshape(y, part.dims());
  } else {
    y = concat(s.to, std::vector<var>{real, imaginary}, 3);
  }
  if (turned < size) y = concat(s.to, std::vector<var>{y, slice(x, 3, turned, size - turned)}, 3);
  s.out[0] = flat_heads ? join_heads(y) : y;
}

/// past_cache, update, write_indices: rows of the update replace those of the cache from an index on, per batch item.
inline void lower_tensor_scatter(node_scope& s) {
  const var cache = s.in(0), update = s.in(1);
  const std::int64_t axis = s.axis("axis", -2, cache.rank());
  const bool circular = s.text("mode", "linear") == "circular";
  if (s.to.failed()) return;
  if (axis < 1 || update.rank() != cache.rank())
    return s.fail(errc::bad_value, "TensorScatter: attribute axis or ranks");
  const std::int64_t batch = cache.dim(0);
  dim_list shape(cache.dims().size(), 1);
  shape[0] = batch;
  const var first = s.has(2) ? s.to.reshape(cast(s.in(2), dtype::s64), shape) : full(s.to, dtype::s64, shape, 0);
  dim_list along(cache.dims().size(), 1);
  along[static_cast<std::size_t>(axis)] = update.dim(axis);
  var index = first + s.to.reshape(iota(s.to, update.dim(axis)), along);
  if (circular) index = binary(binary_fn::mod, index, s.to.integer(cache.dim(axis)));
  s.out[0] = s.to.emit(op_kind::nd_scatter_elements, {cache, expand(index, update.dims()), update},
                       {static_cast<std::int32_t>(axis), 0}, cache.type(), cache.dims());
}

/// Depthwise convolution over time of (past, input); the end of both is the next past.
inline void lower_causal_conv(node_scope& s) {
  const var x = s.in(0), w = s.in(1), bias = s.optional(2);
  const std::string_view activation = s.text("activation", "none");
  if (s.to.failed()) return;
  if (x.rank() != 3 || w.rank() != 3) return s.fail(errc::shape_mismatch, "CausalConvWithState: ranks");
  const std::int64_t reach = w.dim(2) - 1;
  const var past = s.has(3) ? s.in(3) : full(s.to, x.type(), {x.dim(0), x.dim(1), reach}, 0);
  const var both = concat(s.to, std::vector<var>{past, x}, 2);
  if (s.to.failed()) return;
  std::vector<std::int32_t> attributes{
      static_cast<std::int32_t>(x.dim(1)), 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
  const var inputs[] = {both, w, bias};
  const value_type type{x.type(), x.dims()};
  var y = s.to.emit(op_kind::nd_conv, std::span(inputs, bias ? 3 : 2), attributes, std::span(&type, 1))[0];
  if (activation == "silu" || activation == "swish") y = unary(unary_fn::silu, y, 1.0f);
  else if (activation != "none") return s.fail(errc::bad_value, "CausalConvWithState: attribute activation is unknown");
  s.out[0] = y;
  if (s.out.size() > 1) s.out[1] = slice(both, 2, both.dim(2) - reach, reach);
}

/// query, key, value, past_state, decay, beta: a state (B, heads, Dk, Dv) that is read and written once per step.
inline void lower_linear_attention(node_scope& s) {
  const std::int64_t q_heads = s.integer("q_num_heads", 0), kv_heads = s.integer("kv_num_heads", 0);
  const std::string_view rule = s.text("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return s.fail(errc::bad_value, "LinearAttention: attribute update_rule is unknown");
  const var query = s.in(0);
  const dtype type = query.type();
  const auto heads = [&](var x, std::int64_t n) { return cast(split_heads(s, x, n), dtype::f32); };
  const var q = heads(query, q_heads), k = heads(s.in(1), kv_heads), v = heads(s.in(2), kv_heads);
  if (s.to.failed()) return;
  const std::int64_t batch = q.dim(0), steps = q.dim(2), dk = k.dim(3), dv = v.dim(3);
  if (steps > 1'024) return s.fail(errc::too_large, "LinearAttention: over 1024 steps at once");
  if (kv_heads < 1 || q_heads % kv_heads != 0)
    return s.fail(errc::bad_value, "LinearAttention: attribute kv_num_heads");
  const dtype kept = s.has(3) ? s.in(3).type() : type;
  var state = s.has(3) ? cast(s.in(3), dtype::f32) : full(s.to, dtype::f32, {batch, kv_heads, dk, dv}, 0);
  const var decay = gated ? heads(s.in(4), kv_heads) : var{};                           // (B, H, T, 1 or Dk)
  const var beta = delta ? heads(s.in(5), s.to.failed() ? 1 : s.in(5).dim(2)) : var{};  // (B, H or 1, T, 1)
  if (s.to.failed()) return;
  const double scale =
      s.real("scale", 0) != 0 ? static_cast<double>(s.real("scale", 0)) : 1.0 / std::sqrt(static_cast<double>(dk));
  std::vector<var> rows;
  for (std::int64_t t = 0; t < steps && !s.to.failed(); ++t) {
    const var kt = slice(k, 2, t, 1);  // (B, H, 1, Dk)
    var vt = slice(v, 2, t, 1);        // (B, H, 1, Dv)
    if (gated) state = state * swap_axes(unary(unary_fn::exp, slice(decay, 2, t, 1)), 2, 3);
    if (delta) vt = slice(beta, 2, t, 1) * (vt - matmul(kt, state));
    state = state + swap_axes(kt, 2, 3) * vt;
    const var read = repeat_heads(state, q_heads / kv_heads);
    rows.push_back(matmul(slice(q, 2, t, 1), read, {}, {false, false, static_cast<float>(scale)}));
  }
  if (rows.empty()) return s.fail(errc::shape_mismatch, "LinearAttention: no steps");
  s.out[0] = cast(join_heads(concat(s.to, rows, 2)), type);
  if (s.out.size() > 1) s.out[1] = cast(state, kept);
}

inline constexpr lowering attention_lowerings[] = {
    {"", "Attention", lower_attention},
    {"", "CausalConvWithState", lower_causal_conv},
    {"", "LinearAttention", lower_linear_attention},
    {"", "RotaryEmbedding", lower_rotary_embedding},
    {"", "TensorScatter", lower_tensor_scatter},
    {microsoft, "MultiHeadAttention", lower_multi_head_attention},
};

}  // namespace dsmm::inline DSMM_ABI::convert
