// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/cast.hpp"
#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/conv_integer.hpp"
#include "dsmm/kernels/nd/conv_transpose.hpp"
#include "dsmm/kernels/nd/dynamic_quantize.hpp"
#include "dsmm/kernels/nd/gather.hpp"
#include "dsmm/kernels/nd/lrn.hpp"
#include "dsmm/kernels/nd/matmul.hpp"
#include "dsmm/kernels/nd/matmul_integer.hpp"
#include "dsmm/kernels/nd/matmul_nbits.hpp"
#include "dsmm/kernels/nd/move.hpp"
#include "dsmm/kernels/nd/norm.hpp"
#include "dsmm/kernels/nd/order.hpp"
#include "dsmm/kernels/nd/pool.hpp"
#include "dsmm/kernels/nd/quantize.hpp"
#include "dsmm/kernels/nd/reduce.hpp"
#include "dsmm/kernels/nd/resize.hpp"
#include "dsmm/kernels/nd/rnn.hpp"
#include "dsmm/kernels/nd/sample.hpp"
#include "dsmm/kernels/nd/scatter.hpp"
#include "dsmm/kernels/nd/softmax.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/ops/nd/general.hpp"
#include "dsmm/ops/op.hpp"

/// Every general operator: one row each.
namespace dsmm::inline DSMM_ABI::ops::nd {

namespace kn = kernels::nd;

inline constexpr general_kernel kernels_of_kinds[] = {
    {op_kind::nd_unary, kn::nd_unary},
    {op_kind::nd_binary, kn::nd_binary},
    {op_kind::nd_where, kn::nd_where, nullptr, false},
    {op_kind::nd_cast, kn::nd_cast, nullptr, false},
    {op_kind::nd_reduce, kn::nd_reduce, kn::nd_reduce_scratch},
    {op_kind::nd_arg, kn::nd_arg, kn::nd_arg_scratch},
    {op_kind::nd_softmax, kn::nd_softmax},
    {op_kind::nd_matmul, kn::nd_matmul, kn::nd_matmul_scratch, true, kn::nd_matmul_packed_bytes, kn::nd_matmul_pack},
    {op_kind::nd_conv, kn::nd_conv, kn::nd_conv_scratch, true, kn::nd_conv_packed_bytes, kn::nd_conv_pack},
    {op_kind::nd_pool, kn::nd_pool},
    {op_kind::nd_layer_norm, kn::nd_layer_norm},
    {op_kind::nd_group_norm, kn::nd_group_norm},
    {op_kind::nd_lp_norm, kn::nd_lp_norm, kn::nd_lp_norm_scratch},
    {op_kind::nd_lrn, kn::nd_lrn},
    {op_kind::nd_copy, kn::nd_copy, nullptr, false},
    {op_kind::nd_pad, kn::nd_pad, nullptr, false},
    {op_kind::nd_concat, kn::nd_concat, nullptr, false},
    {op_kind::nd_gather, kn::nd_gather, nullptr, false},
    {op_kind::nd_gather_elements, kn::nd_gather_elements, nullptr, false},
    {op_kind::nd_gather_nd, kn::nd_gather_nd, nullptr, false},
    {op_kind::nd_scatter_elements, kn::nd_scatter_elements},
    {op_kind::nd_scatter_nd, kn::nd_scatter_nd},
    {op_kind::nd_conv_transpose, kn::nd_conv_transpose, kn::nd_conv_transpose_scratch, true,
     kn::nd_conv_transpose_packed_bytes, kn::nd_conv_transpose_pack},
    {op_kind::nd_resize, kn::nd_resize, kn::nd_resize_scratch},
    {op_kind::nd_cumsum, kn::nd_cumsum},
    {op_kind::nd_topk, kn::nd_topk, kn::nd_topk_scratch},
    {op_kind::nd_nonzero, kn::nd_nonzero},
    {op_kind::nd_nms, kn::nd_nms, kn::nd_nms_scratch},
    {op_kind::nd_rnn, kn::nd_rnn, kn::nd_rnn_scratch},
    {op_kind::nd_quantize, kn::nd_quantize, nullptr, false},
    {op_kind::nd_dequantize, kn::nd_dequantize, nullptr, false},
    {op_kind::nd_dynamic_quantize, kn::nd_dynamic_quantize, kn::nd_dynamic_quantize_scratch},
    {op_kind::nd_matmul_integer, kn::nd_matmul_integer, kn::nd_matmul_integer_scratch, true,
     kn::nd_matmul_integer_packed_bytes, kn::nd_matmul_integer_pack, kn::nd_matmul_integer_pack_scratch},
    {op_kind::nd_conv_integer, kn::nd_conv_integer, kn::nd_conv_integer_scratch, true, kn::nd_conv_integer_packed_bytes,
     kn::nd_conv_integer_pack, kn::nd_conv_integer_pack_scratch},
    {op_kind::nd_matmul_nbits, kn::nd_matmul_nbits, kn::nd_matmul_nbits_scratch, true, kn::nd_matmul_nbits_packed_bytes,
     kn::nd_matmul_nbits_pack, nullptr, 0b1'1110},
    {op_kind::nd_one_hot, kn::nd_one_hot},
    {op_kind::nd_grid_sample, kn::nd_grid_sample},
    {op_kind::nd_roi_align, kn::nd_roi_align},
    {op_kind::nd_trilu, kn::nd_trilu, nullptr, false},
};

inline constexpr auto definitions = [] {
  std::array<op_definition, std::size(kernels_of_kinds)> rows{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = define<general_op>();
    rows[i].kind = kernels_of_kinds[i].kind;
  }
  return rows;
}();

inline const general_kernel* find_kernel(std::uint32_t kind) noexcept {
  for (const general_kernel& k : kernels_of_kinds)
    if (static_cast<std::uint32_t>(k.kind) == kind) return &k;
  return nullptr;
}

static_assert(std::size(kernels_of_kinds) == std::size(general_signatures), "every general operator has a kernel");

}  // namespace dsmm::inline DSMM_ABI::ops::nd
