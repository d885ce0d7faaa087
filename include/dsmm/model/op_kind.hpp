// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Operators of the .dsmm format; docs/ops.md defines inputs, attributes and arithmetic of each.
enum class op_kind : std::uint32_t {
  conv2d = 1,
  dwconv2d = 2,
  linear = 3,
  causal_conv1d = 4,
  max_pool = 5,
  avg_pool = 6,
  add = 7,
  mul = 8,
  concat = 9,
  resize = 10,
  softmax = 11,
  layer_norm = 12,
  attention = 13,
  lut = 14,
  append = 15,
  spectral = 16,
  quantize = 17,
  dequantize = 18,
  select = 19,
  calibrate = 20,
  reduce = 21,
};

/// What the verifier knows of a kind before it looks at tensors.
struct op_signature {
  op_kind kind;
  const char* name;
  std::uint8_t min_inputs, max_inputs, outputs, attributes;
};

inline constexpr op_signature op_signatures[] = {
    {op_kind::conv2d, "conv2d", 4, 4, 1, 10},
    {op_kind::dwconv2d, "dwconv2d", 4, 4, 1, 9},
    {op_kind::linear, "linear", 4, 4, 1, 1},
    {op_kind::causal_conv1d, "causal_conv1d", 5, 5, 1, 2},
    {op_kind::max_pool, "max_pool", 1, 1, 1, 8},
    {op_kind::avg_pool, "avg_pool", 1, 1, 1, 8},
    {op_kind::add, "add", 2, 2, 1, 1},
    {op_kind::mul, "mul", 2, 2, 1, 1},
    {op_kind::concat, "concat", 1, 16, 1, 1},
    {op_kind::resize, "resize", 1, 1, 1, 3},
    {op_kind::softmax, "softmax", 1, 1, 1, 0},
    {op_kind::layer_norm, "layer_norm", 3, 3, 1, 1},
    {op_kind::attention, "attention", 5, 5, 1, 2},
    {op_kind::lut, "lut", 2, 2, 1, 0},
    {op_kind::append, "append", 2, 2, 0, 0},
    {op_kind::spectral, "spectral", 4, 4, 1, 0},
    {op_kind::quantize, "quantize", 3, 3, 1, 0},
    {op_kind::dequantize, "dequantize", 1, 1, 1, 0},
    {op_kind::select, "select", 3, 3, 1, 0},
    {op_kind::calibrate, "calibrate", 2, 2, 1, 0},
    {op_kind::reduce, "reduce", 1, 1, 1, 1},
};

/// The signature of a kind read from a file, or nullptr if this version has no such operator.
constexpr const op_signature* find_signature(std::uint32_t kind) noexcept {
  for (const op_signature& s : op_signatures)
    if (static_cast<std::uint32_t>(s.kind) == kind) return &s;
  return nullptr;
}

/// True for the optional inputs: r and rb of attention.
constexpr bool may_be_absent(op_kind kind, std::uint32_t input) noexcept {
  return kind == op_kind::attention && (input == 3 || input == 4);
}

}  // namespace dsmm::inline DSMM_ABI
