// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// LSTM, GRU and RNN.
namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::rnn_fn;

/// Activation functions of recurrent operators, with the parameters that ONNX gives them by default.
struct rnn_activation_row {
  std::string_view name;
  unary_fn fn;
  float alpha, beta;
};

inline constexpr rnn_activation_row rnn_activation_rows[] = {
    {"Affine", unary_fn::identity, 1.0f, 0.0f},
    {"Elu", unary_fn::elu, 1.0f, 0.0f},
    {"HardSigmoid", unary_fn::hard_sigmoid, 0.2f, 0.5f},
    {"LeakyRelu", unary_fn::leaky_relu, 0.01f, 0.0f},
    {"Relu", unary_fn::relu, 0.0f, 0.0f},
    {"ScaledTanh", unary_fn::tanh, 1.0f, 1.0f},
    {"Sigmoid", unary_fn::sigmoid, 0.0f, 0.0f},
    {"Softplus", unary_fn::softplus, 0.0f, 0.0f},
    {"Softsign", unary_fn::softsign, 0.0f, 0.0f},
    {"Tanh", unary_fn::tanh, 1.0f, 1.0f},
    {"ThresholdedRelu", unary_fn::thresholded_relu, 1.0f, 0.0f},
};

/// fn[6], alpha[6], beta[6] in the order of the attribute `activations`, directions behind each other.
inline void push_activations(node_scope& s, rnn_fn kind, std::size_t directions, std::vector<std::int32_t>& to) {
  const std::size_t each = kind == rnn_fn::lstm ? 3 : kind == rnn_fn::gru ? 2 : 1;
  const onnx::attribute *names = s.node.find("activations"), *alphas = s.node.find("activation_alpha"),
                        *betas = s.node.find("activation_beta");
  std::array<std::int32_t, 6> fn{}, alpha{}, beta{};
  std::size_t next_alpha = 0, next_beta = 0;
  for (std::size_t i = 0; i < each * directions; ++i) {
    std::string_view name = kind != rnn_fn::rnn && i % each == 0 ? "Sigmoid" : "Tanh";
    if (names != nullptr && names->texts.size() != each * directions)
      return s.fail(errc::bad_value, "attribute activations has the wrong length");
    if (names != nullptr) name = names->texts[i];
    const rnn_activation_row* row = nullptr;
    for (const rnn_activation_row& r : rnn_activation_rows)
      if (r.name == name) row = &r;
    if (row == nullptr || row->fn == unary_fn::identity)
      return s.fail(errc::unsupported, "attribute activations names a function that dsmm does not have");
    const bool takes_alpha = row->alpha != 0.0f && name != "Tanh", takes_beta = row->beta != 0.0f && name != "Tanh";
    const auto next = [](const onnx::attribute* list, std::size_t& at, float otherwise) {
      return list != nullptr && at < list->reals.size() ? list->reals[at++] : otherwise;
    };
    fn[i] = static_cast<std::int32_t>(row->fn);
    alpha[i] = bits_of(takes_alpha ? next(alphas, next_alpha, row->alpha) : row->alpha);
    beta[i] = bits_of(takes_beta ? next(betas, next_beta, row->beta) : row->beta);
  }
  to.insert(to.end(), fn.begin(), fn.end());
  to.insert(to.end(), alpha.begin(), alpha.end());
  to.insert(to.end(), beta.begin(), beta.end());
}

inline void lower_rnn(node_scope& s) {
  const rnn_fn kind = s.node.op == "LSTM" ? rnn_fn::lstm : s.node.op == "GRU" ? rnn_fn::gru : rnn_fn::rnn;
  var x = s.in(0);
  const var w = s.in(1), r = s.in(2);
  const bool batch_first = s.flag("layout");
  const std::string_view direction = s.text("direction", "forward");
  const std::int32_t way = direction == "forward"         ? 0
                           : direction == "reverse"       ? 1
                           : direction == "bidirectional" ? 2
                                                          : -1;
  if (way < 0) return s.fail(errc::bad_value, "attribute direction is unknown");
  if (s.to.failed()) return;
  if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3)
    return s.fail(errc::shape_mismatch, "X, W and R must have rank 3");
  const std::int64_t directions = way == 2 ? 2 : 1, hidden = s.integer("hidden_size", r.dim(2));
  const float clip = s.real("clip", 0.0f);
  std::vector<std::int32_t> attributes{
      static_cast<std::int32_t>(kind), way,          static_cast<std::int32_t>(hidden), s.flag("linear_before_reset"),
      s.flag("input_forget"),          bits_of(clip)};
  push_activations(s, kind, static_cast<std::size_t>(directions), attributes);
  if (s.to.failed()) return;
  const auto to_front = [&](var v) { return v && batch_first && v.rank() == 3 ? swap_axes(v, 0, 1) : v; };
  x = to_front(x);
  const std::int64_t steps = x.dim(0), batch = x.dim(1);
  var lengths = s.optional(4);
  if (lengths) lengths = cast(lengths, dtype::s32);
  const var inputs[] = {x,
                        w,
                        r,
                        s.optional(3),
                        lengths,
                        to_front(s.optional(5)),
                        kind == rnn_fn::lstm ? to_front(s.optional(6)) : var{},
                        kind == rnn_fn::lstm ? s.optional(7) : var{}};
  const value_type state{x.type(), {directions, batch, hidden}};
  const value_type types[] = {{x.type(), {steps, directions, batch, hidden}}, state, state};
  const auto y = s.to.emit(op_kind::nd_rnn, inputs, attributes, std::span(types, kind == rnn_fn::lstm ? 3 : 2));
  s.out[0] = batch_first && !s.to.failed() ? transpose(y[0], {2, 0, 1, 3}) : y[0];
  for (std::size_t i = 1; i < s.out.size() && i < y.size() && !s.to.failed(); ++i) s.out[i] = to_front(y[i]);
}

inline constexpr lowering rnn_lowerings[] = {
    {"", "GRU", lower_rnn},
    {"", "LSTM", lower_rnn},
    {"", "RNN", lower_rnn},
};

}  // namespace dsmm::inline DSMM_ABI::convert
