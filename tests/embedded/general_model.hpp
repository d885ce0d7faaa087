// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/model/writer.hpp"

namespace samples {

/// General operators: y = tanh(x + w), and z = y as a half, on tensors of rank 2 whose names are hard on C++.
inline dsmm::model_writer general_net() {
  using dsmm::op_kind;
  using kind = dsmm::format::tensor_kind;
  dsmm::model_writer m;
  const std::int32_t dims[] = {5, 7};
  std::vector<float> weights(35);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i) * 0.1f - 1.5f;
  const auto x = m.plain(kind::input, "class", dsmm::dtype::f32, dims);
  const auto w = m.constant("w", dsmm::dtype::f32, dims, std::as_bytes(std::span(weights)));
  const auto sum = m.plain(kind::value, "sum", dsmm::dtype::f32, dims);
  const auto y = m.plain(kind::output, "/head/Tanh_output\\", dsmm::dtype::f32, dims);
  const auto z = m.plain(kind::output, "gr\xC3\xB6\xC3\x9F" "e \"2\"?", dsmm::dtype::f16, dims);
  m.program("main");
  m.op(op_kind::nd_binary, "add", {x, w}, {sum}, {static_cast<std::int32_t>(dsmm::kernels::nd::binary_fn::add)});
  m.op(op_kind::nd_unary, "tanh", {sum}, {y},
       {static_cast<std::int32_t>(dsmm::kernels::nd::unary_fn::tanh), std::bit_cast<std::int32_t>(1.0f),
        std::bit_cast<std::int32_t>(1.0f)});
  m.op(op_kind::nd_cast, "half", {y}, {z}, {0});
  return m;
}

}  // namespace samples
