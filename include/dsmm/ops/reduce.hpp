// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/reduce.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Sum or maximum of all elements, in the fixed 64-lane order.
struct reduce_op {
  static constexpr op_kind kind = op_kind::reduce;

  struct prepared {
    operand input, output;
    bool maximum;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0], bind.output, op.attribute(0) == 1};
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    const auto x = p.input.view<const float>();
    p.output.view<float>().data[0] = p.maximum ? kernels::max(x) : kernels::sum(x);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
