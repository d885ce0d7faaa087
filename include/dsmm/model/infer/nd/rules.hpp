// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/nd/elementwise.hpp"
#include "dsmm/model/infer/nd/moves.hpp"
#include "dsmm/model/infer/nd/nd_scope.hpp"
#include "dsmm/model/infer/nd/windows.hpp"
#include "dsmm/model/op_kind.hpp"

/// The shape rule of every general operator.
namespace dsmm::inline DSMM_ABI::infer_impl {

struct nd_rule {
  op_kind kind;
  result<void> (*check)(const nd_scope&) noexcept;
};

/// In the order of general_signatures.
inline constexpr nd_rule nd_rules[] = {
    {op_kind::nd_unary, nd_unary},
    {op_kind::nd_binary, nd_binary},
    {op_kind::nd_where, nd_where},
    {op_kind::nd_cast, nd_cast},
    {op_kind::nd_reduce, nd_reduce},
    {op_kind::nd_arg, nd_arg},
    {op_kind::nd_softmax, nd_softmax},
    {op_kind::nd_matmul, nd_matmul},
    {op_kind::nd_conv, nd_conv},
    {op_kind::nd_conv_transpose, nd_conv_transpose},
    {op_kind::nd_pool, nd_pool},
    {op_kind::nd_copy, nd_copy},
    {op_kind::nd_pad, nd_pad},
    {op_kind::nd_concat, nd_concat},
    {op_kind::nd_gather, nd_gather},
    {op_kind::nd_gather_elements, nd_gather_elements},
    {op_kind::nd_gather_nd, nd_gather_nd},
    {op_kind::nd_scatter_elements, nd_scatter_elements},
    {op_kind::nd_scatter_nd, nd_scatter_nd},
    {op_kind::nd_resize, nd_resize},
    {op_kind::nd_layer_norm, nd_layer_norm},
    {op_kind::nd_group_norm, nd_group_norm},
    {op_kind::nd_cumsum, nd_cumsum},
    {op_kind::nd_topk, nd_topk},
    {op_kind::nd_nonzero, nd_nonzero},
    {op_kind::nd_nms, nd_nms},
    {op_kind::nd_rnn, nd_rnn},
    {op_kind::nd_quantize, nd_quantize},
    {op_kind::nd_dequantize, nd_dequantize},
    {op_kind::nd_dynamic_quantize, nd_dynamic_quantize},
    {op_kind::nd_matmul_integer, nd_matmul_integer},
    {op_kind::nd_conv_integer, nd_conv_integer},
    {op_kind::nd_matmul_nbits, nd_matmul_nbits},
    {op_kind::nd_trilu, nd_trilu},
    {op_kind::nd_one_hot, nd_one_hot},
    {op_kind::nd_lp_norm, nd_lp_norm},
    {op_kind::nd_lrn, nd_lrn},
    {op_kind::nd_grid_sample, nd_grid_sample},
    {op_kind::nd_roi_align, nd_roi_align},
};
static_assert(std::size(nd_rules) == std::size(general_signatures), "every general operator has a shape rule");

/// Checks inputs, attributes and outputs of a general op whose kind, counts and indices have been checked.
inline result<void> check_general(const model_rows& rows, std::size_t index) noexcept {
  const nd_scope op(rows, index);
  for (const nd_rule& rule : nd_rules)
    if (static_cast<std::uint32_t>(rule.kind) == op.row().kind) return rule.check(op);
  return op.fail(errc::unsupported, "op: this version of dsmm has no such operator");
}

}  // namespace dsmm::inline DSMM_ABI::infer_impl
