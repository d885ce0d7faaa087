// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/plan.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/ops/op.hpp"
#include "dsmm/ops/registry.hpp"

namespace dsmm::inline DSMM_ABI {

namespace detail {

/// Whether [offset, offset + bytes) is aligned and lies in an arena of `size` bytes.
constexpr bool lies_in(std::uint64_t offset, std::uint64_t bytes, std::uint64_t size) noexcept {
  return offset % format::alignment == 0 && bytes <= size && offset <= size - bytes;
}

/// Whether a tensor has the frame and the rows that one reader asks for.
constexpr bool gives(const tensor_place& place, const ops::halo& h, std::uint32_t rows) noexcept {
  const tensor_layout& l = place.layout;
  return l.top >= h.top && l.left >= h.left && l.bottom >= h.bottom && l.right >= h.right && place.capacity >= rows;
}

}  // namespace detail

/// Whether a plan that was made elsewhere serves `m` at `level`: a mix-up of models, versions or architectures is an
/// error here and not damaged memory later. That tensors which live at the same time lie apart is the planner's word:
/// a plan is code of the program, never data from outside.
/// Errors: shape_mismatch (made of another model), too_large (this build's operators need more than it gives them),
///         unsupported. Allocates nothing; one request() per op.
inline result<void> check_plan(const model& m, const plan_view& plan, isa level,
                               ops::find_operator general) noexcept {
  if (plan.ops.size() != m.ops().size() || plan.tensors.size() != m.tensors().size())
    return failure{errc::shape_mismatch, "the plan was made of another model: emit the header again"};
  const auto small = [](std::uint32_t i) {
    return failure{errc::too_large, "the plan gives an operator too little: make it again with this dsmm, for this CPU",
                   static_cast<std::int64_t>(i)};
  };
  for (const tensor_place& t : plan.tensors)
    if (!detail::lies_in(t.offset, t.bytes, plan.bytes)) return small(0);
  for (std::uint32_t i = 0; i < m.ops().size(); ++i) {
    const ops::op_view op(m, i);
    const ops::op_definition* const definition = ops::find_definition(op.kind(), general);
    if (definition == nullptr) return op.fail(errc::unsupported, "this build has no such operator");
    const auto request = definition->request(op, level);
    if (!request) return request.error();
    const op_place& at = plan.ops[i];
    if (at.bytes < request->prepared_bytes || !detail::lies_in(at.offset, at.bytes, plan.bytes) ||
        !detail::lies_in(plan.scratch, request->scratch_bytes, plan.bytes) ||
        !detail::lies_in(plan.temporary, request->temporary_bytes, plan.bytes))
      return small(i);
    for (std::uint32_t k = 0; k < op.inputs(); ++k)
      if (op.has_input(k) && op.input(k).kind != format::tensor_kind::constant &&
          !detail::gives(plan.tensors[op.input_index(k)], request->input_halo[k], request->state_extra[k]))
        return small(i);
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI
