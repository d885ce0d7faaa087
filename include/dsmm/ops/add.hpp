// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/add_u8.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Sum of two tensors, re-scaled, with an optional ReLU. The second operand may be (1, 1, C).
struct add_op {
  static constexpr op_kind kind = op_kind::add;

  struct prepared {
    operand a, b, output;
    kernels::add_factors factors;
    isa level;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p.a = bind.input[0];
    p.b = bind.input[1];
    p.output = bind.output;
    p.level = bind.level;
    p.tasks = split_rows(p.output.shape.h, std::int64_t{p.output.shape.w} * p.output.shape.c);
    if (!kernels::make_add_factors(quantization_of(op.input(0)), quantization_of(op.input(1)),
                                   quantization_of(op.output()), op.attribute(0) != 0, p.factors))
      return op.fail(errc::bad_value, "the output scale is too small for the inputs' scales: recalibrate");
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      kernels::add_u8(p.level, p.a.view<const std::uint8_t>(), p.b.view<const std::uint8_t>(),
                      p.output.view<std::uint8_t>(), p.factors, begin, end);
    });
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
