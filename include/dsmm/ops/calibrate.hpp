// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/calibrate.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Raw scores of several heads to one calibrated scale, piecewise linear.
struct calibrate_op {
  static constexpr op_kind kind = op_kind::calibrate;

  struct prepared {
    operand input, output;
    const float* knots;
    std::int32_t points;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0], bind.output, op.constant<float>(1), op.input(1).dims[2]};
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    kernels::calibrate(p.input.view<const float>().data, p.knots, p.output.shape.c, p.points,
                       p.output.view<float>().data);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
