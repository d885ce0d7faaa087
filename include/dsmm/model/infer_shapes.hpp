// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/nd/rules.hpp"
#include "dsmm/model/infer/op_scope.hpp"
#include "dsmm/model/infer/pointwise.hpp"
#include "dsmm/model/infer/series.hpp"
#include "dsmm/model/infer/windows.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI {

namespace infer_impl {

struct shape_rule {
  op_kind kind;
  result<output_form> (*form)(const op_scope&) noexcept;
};

inline constexpr shape_rule shape_rules[] = {
    {op_kind::conv2d, conv2d},       {op_kind::dwconv2d, dwconv2d},
    {op_kind::linear, linear},       {op_kind::causal_conv1d, causal_conv1d},
    {op_kind::max_pool, max_pool},   {op_kind::avg_pool, avg_pool},
    {op_kind::add, binary},          {op_kind::mul, binary},
    {op_kind::concat, concat},       {op_kind::resize, resize},
    {op_kind::softmax, softmax},     {op_kind::layer_norm, layer_norm},
    {op_kind::attention, attention}, {op_kind::lut, lut},
    {op_kind::append, append},       {op_kind::spectral, spectral},
    {op_kind::quantize, quantize},   {op_kind::dequantize, dequantize},
    {op_kind::select, select},       {op_kind::calibrate, calibrate},
    {op_kind::reduce, reduce},       {op_kind::quantize_planes, quantize_planes},
};
static_assert(std::size(shape_rules) == std::size(op_signatures), "every operator has a shape rule");

}  // namespace infer_impl

/// Checks the inputs and attributes of op `index` and says what it writes. The kind, counts and indices of the op and
/// each tensor for itself must have been checked. Errors: bad_value, shape_mismatch, dtype_mismatch, too_large.
inline result<infer_impl::output_form> infer_output(const model_rows& rows, std::size_t index) noexcept {
  const infer_impl::op_scope op(rows, index);
  for (const infer_impl::shape_rule& rule : infer_impl::shape_rules)
    if (static_cast<std::uint32_t>(rule.kind) == op.row().kind) return rule.form(op);
  return op.fail(errc::unsupported, "op: this version of dsmm has no such operator");
}

/// Infers every op and compares with what its output claims.
inline result<void> check_shapes(const model_rows& rows) noexcept {
  for (std::size_t i = 0; i < rows.ops.size(); ++i) {
    if (is_general(rows.ops[i].kind)) {
      if (auto r = infer_impl::check_general(rows, i); !r) return r;
      continue;
    }
    const result<infer_impl::output_form> form = infer_output(rows, i);
    if (!form) return form.error();
    if (rows.ops[i].output_count == 0) continue;
    const infer_impl::op_scope op(rows, i);
    const format::tensor_row& y = op.output();
    if (infer_impl::shape_of(y) != form->shape)
      return op.fail(errc::shape_mismatch, "op: its output has another shape than its inputs and attributes give");
    if (!(infer_impl::type_of(y) == dtype::u8 ? form->u8 : form->f32))
      return op.fail(errc::dtype_mismatch, "op: its output has an element type that it cannot write");
    if (form->same_scale_as >= 0 &&
        !infer_impl::same_scale(y, op.input(static_cast<std::uint32_t>(form->same_scale_as))))
      return op.fail(errc::dtype_mismatch, "op: its output must have the scale and zero point of its input");
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI
