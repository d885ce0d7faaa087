// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/op_scope.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/programs.hpp"
#include "dsmm/model/verify/tables.hpp"
#include "dsmm/model/verify/tensors.hpp"

/// Integer operators see (H, W, C) of u8 or f32 and constants, general operators see plain tensors. Where both touch
/// one tensor it must be both: f32 of rank 3, or planes that quantize_planes reads. `where` is the op's or the tensor's
/// index.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// What an operator that is not general may touch.
inline bool is_classic(const format::tensor_row& t) noexcept {
  const auto type = static_cast<dtype>(t.type);
  if (elements(t) == 0 || t.rank == 0 || type > dtype::i4s) return false;
  return t.kind == format::tensor_kind::constant || (t.rank == 3 && (type == dtype::u8 || type == dtype::f32));
}

/// What quantize_planes reads: the one plain tensor that an operator which is not general may touch.
inline bool is_planes(const format::op_row& op, const format::tensor_row& t) noexcept {
  return op.kind == static_cast<std::uint32_t>(op_kind::quantize_planes) && infer_impl::is_planes(t);
}

/// What a general operator may touch.
inline bool is_plain(const format::tensor_row& t) noexcept {
  const auto type = static_cast<dtype>(t.type);
  if (t.kind == format::tensor_kind::state || type == dtype::i4s) return false;
  return type != dtype::u8 || (t.scale == 1.0f && t.zero_point == 0);
}

inline result<void> check_tiers(const model_rows& rows) noexcept {
  tensor_set general, classic;
  for (std::size_t i = 0; i < rows.ops.size(); ++i) {
    const format::op_row& op = rows.ops[i];
    const bool is_nd = is_general(op.kind);
    for (const auto& list : {rows.inputs(op), rows.outputs(op)})
      for (const std::uint32_t t : list) {
        if (t == format::no_tensor) continue;
        (is_nd ? general : classic).set(t);
        const format::tensor_row& tensor = rows.tensors[t];
        if (is_nd ? is_plain(tensor) : is_classic(tensor) || is_planes(op, tensor)) continue;
        return fail_row(rows, errc::dtype_mismatch,
                        is_nd ? "op: a general operator takes no state and no scaled u8"
                              : "op: it takes u8 or f32 of rank 3 and constants of their types, none empty",
                        i, op.name);
      }
  }
  for (std::size_t i = 0; i < rows.tensors.size(); ++i) {
    const format::tensor_row& t = rows.tensors[i];
    const auto fail = [&](errc code, const char* text) { return fail_row(rows, code, text, i, t.name); };
    const bool constant = t.kind == format::tensor_kind::constant, f32 = static_cast<dtype>(t.type) == dtype::f32;
    if (general[i] && classic[i] && !constant && !f32)
      return fail(errc::dtype_mismatch, "tensor: integer and general operators share only f32");
    if (constant && f32 && (classic[i] || !general[i]) &&  // in a weight, one infinity makes every score NaN
        !all_finite(rows.weights.subspan(static_cast<std::size_t>(t.offset), static_cast<std::size_t>(t.length))))
      return fail(errc::bad_value, "constant: a value is infinite or not a number");
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
