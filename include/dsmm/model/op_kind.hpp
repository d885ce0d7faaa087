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
  quantize_planes = 22,
  // General operators: plain tensors of any type, rank and meaning.
  nd_unary = 64,
  nd_binary = 65,
  nd_where = 66,
  nd_cast = 67,
  nd_reduce = 68,
  nd_arg = 69,
  nd_softmax = 70,
  nd_matmul = 71,
  nd_conv = 72,
  nd_conv_transpose = 73,
  nd_pool = 74,
  nd_copy = 75,
  nd_pad = 76,
  nd_concat = 77,
  nd_gather = 78,
  nd_gather_elements = 79,
  nd_gather_nd = 80,
  nd_scatter_elements = 81,
  nd_scatter_nd = 82,
  nd_resize = 83,
  nd_layer_norm = 84,
  nd_group_norm = 85,
  nd_cumsum = 86,
  nd_topk = 87,
  nd_nonzero = 88,
  nd_nms = 89,
  nd_rnn = 90,
  nd_quantize = 91,
  nd_dequantize = 92,
  nd_dynamic_quantize = 93,
  nd_matmul_integer = 94,
  nd_conv_integer = 95,
  nd_matmul_nbits = 96,
  nd_trilu = 97,
  nd_one_hot = 98,
  nd_lp_norm = 99,
  nd_lrn = 100,
  nd_grid_sample = 101,
  nd_roi_align = 102,
};

/// What the verifier knows of a kind before it looks at tensors.
struct op_signature {
  op_kind kind;
  const char* name;
  std::uint8_t min_inputs, max_inputs, outputs, attributes;
  std::uint8_t more_outputs = 0;  ///< optional ones behind the first `outputs`
  std::uint16_t optional = 0;     ///< bit i: input i may be absent
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
    {op_kind::attention, "attention", 5, 9, 1, 2, 0, 0b111111000},
    {op_kind::lut, "lut", 2, 2, 1, 0},
    {op_kind::append, "append", 2, 2, 0, 0},
    {op_kind::spectral, "spectral", 4, 4, 1, 0},
    {op_kind::quantize, "quantize", 3, 3, 1, 0},
    {op_kind::dequantize, "dequantize", 1, 1, 1, 0},
    {op_kind::select, "select", 3, 3, 1, 0},
    {op_kind::calibrate, "calibrate", 2, 2, 1, 0},
    {op_kind::reduce, "reduce", 1, 1, 1, 1},
    {op_kind::quantize_planes, "quantize_planes", 3, 3, 1, 0},
};

/// docs/ops.md lists the attributes of each in order.
inline constexpr op_signature general_signatures[] = {
    {op_kind::nd_unary, "nd_unary", 1, 1, 1, 3},
    {op_kind::nd_binary, "nd_binary", 2, 2, 1, 1},
    {op_kind::nd_where, "nd_where", 3, 3, 1, 0},
    {op_kind::nd_cast, "nd_cast", 1, 1, 1, 1},
    {op_kind::nd_reduce, "nd_reduce", 1, 1, 1, 3},
    {op_kind::nd_arg, "nd_arg", 1, 1, 1, 4},
    {op_kind::nd_softmax, "nd_softmax", 1, 1, 1, 2},
    {op_kind::nd_matmul, "nd_matmul", 2, 3, 1, 7, 0, 0b100},
    {op_kind::nd_conv, "nd_conv", 2, 4, 1, 17, 0, 0b1100},
    {op_kind::nd_conv_transpose, "nd_conv_transpose", 2, 3, 1, 20, 0, 0b100},
    {op_kind::nd_pool, "nd_pool", 1, 1, 1, 21, 1},
    {op_kind::nd_copy, "nd_copy", 1, 1, 1, 7},
    {op_kind::nd_pad, "nd_pad", 1, 2, 1, 7, 0, 0b10},
    {op_kind::nd_concat, "nd_concat", 1, 16, 1, 1},
    {op_kind::nd_gather, "nd_gather", 2, 2, 1, 1},
    {op_kind::nd_gather_elements, "nd_gather_elements", 2, 2, 1, 1},
    {op_kind::nd_gather_nd, "nd_gather_nd", 2, 2, 1, 1},
    {op_kind::nd_scatter_elements, "nd_scatter_elements", 3, 3, 1, 2},
    {op_kind::nd_scatter_nd, "nd_scatter_nd", 3, 3, 1, 1},
    {op_kind::nd_resize, "nd_resize", 1, 1, 1, 25},
    {op_kind::nd_layer_norm, "nd_layer_norm", 1, 3, 1, 3, 2, 0b110},
    {op_kind::nd_group_norm, "nd_group_norm", 1, 3, 1, 2, 0, 0b110},
    {op_kind::nd_cumsum, "nd_cumsum", 1, 1, 1, 3},
    {op_kind::nd_topk, "nd_topk", 1, 1, 2, 3},
    {op_kind::nd_nonzero, "nd_nonzero", 1, 1, 2, 0},
    {op_kind::nd_nms, "nd_nms", 2, 2, 2, 4},
    {op_kind::nd_rnn, "nd_rnn", 3, 8, 2, 24, 1, 0b11111000},
    {op_kind::nd_quantize, "nd_quantize", 2, 3, 1, 3, 0, 0b100},
    {op_kind::nd_dequantize, "nd_dequantize", 2, 3, 1, 2, 0, 0b100},
    {op_kind::nd_dynamic_quantize, "nd_dynamic_quantize", 1, 1, 3, 0},
    {op_kind::nd_matmul_integer, "nd_matmul_integer", 2, 6, 1, 0, 0, 0b111100},
    {op_kind::nd_conv_integer, "nd_conv_integer", 2, 6, 1, 17, 0, 0b111100},
    {op_kind::nd_matmul_nbits, "nd_matmul_nbits", 3, 6, 1, 4, 0, 0b111000},
    {op_kind::nd_trilu, "nd_trilu", 1, 1, 1, 2},
    {op_kind::nd_one_hot, "nd_one_hot", 2, 2, 1, 1},
    {op_kind::nd_lp_norm, "nd_lp_norm", 1, 1, 1, 2},
    {op_kind::nd_lrn, "nd_lrn", 1, 1, 1, 4},
    {op_kind::nd_grid_sample, "nd_grid_sample", 2, 2, 1, 3},
    {op_kind::nd_roi_align, "nd_roi_align", 3, 3, 1, 4},
};

constexpr bool is_general(std::uint32_t kind) noexcept { return kind >= static_cast<std::uint32_t>(op_kind::nd_unary); }

/// The signature of a kind read from a file, or nullptr if this version has no such operator.
constexpr const op_signature* find_signature(std::uint32_t kind) noexcept {
  for (const op_signature& s : op_signatures)
    if (static_cast<std::uint32_t>(s.kind) == kind) return &s;
  for (const op_signature& s : general_signatures)
    if (static_cast<std::uint32_t>(s.kind) == kind) return &s;
  return nullptr;
}

}  // namespace dsmm::inline DSMM_ABI
