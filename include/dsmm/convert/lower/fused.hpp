// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/lower/elementwise.hpp"
#include "dsmm/convert/lower/matmul.hpp"
#include "dsmm/convert/lower/window.hpp"
#include "dsmm/convert/node_scope.hpp"

/// What ONNX Runtime makes of a layer and its activation when it writes an optimized model.
namespace dsmm::inline DSMM_ABI::convert {

/// The function that attribute activation names, with up to two parameters.
inline var activated(node_scope& s, var x, float alpha, float beta) {
  const std::string_view name = s.text("activation", "");
  if (name.empty()) return x;
  if (name == "Clip") return unary(unary_fn::clip, x, alpha, beta);
  constexpr unary_row rows[] = {
      {"Elu", unary_fn::elu},   {"HardSigmoid", unary_fn::hard_sigmoid}, {"LeakyRelu", unary_fn::leaky_relu},
      {"Relu", unary_fn::relu}, {"Sigmoid", unary_fn::sigmoid},          {"Softplus", unary_fn::softplus},
      {"Tanh", unary_fn::tanh}};
  for (const unary_row& r : rows)
    if (r.op == name) return unary(r.fn, x, alpha, beta);
  return s.to.fail(errc::unsupported, "attribute activation is unknown");
}

/// act(conv(x, w) + bias + z)
inline void lower_fused_conv(node_scope& s) {
  const var x = s.in(0);
  std::vector<var> inputs{x, s.in(1)};
  if (s.has(2)) inputs.push_back(s.in(2));
  var y = emit_conv(s, op_kind::nd_conv, inputs, x.type());
  if (s.has(3)) y = y + s.in(3);
  const onnx::attribute* a = s.node.find("activation_params");
  const auto parameter = [&](std::size_t i) { return a != nullptr && i < a->reals.size() ? a->reals[i] : 0.0f; };
  if (!s.to.failed()) s.out[0] = activated(s, y, parameter(0), parameter(1));
}

inline void lower_fused_gemm(node_scope& s) {
  lower_gemm(s);
  if (s.to.failed()) return;
  s.out[0] = activated(s, s.out[0], s.real("activation_alpha", 0), s.real("activation_beta", 0));
}

inline constexpr lowering fused_lowerings[] = {
    {microsoft, "FusedConv", lower_fused_conv},
    {microsoft, "FusedGemm", lower_fused_gemm},
};

}  // namespace dsmm::inline DSMM_ABI::convert
