// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/attention.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Multi-head attention with relative positions; keys and values may be states, the memory of Transformer-XL.
struct attention_op {
  static constexpr op_kind kind = op_kind::attention;

  struct prepared {
    operand q, k, v, output;
    kernels::attention_factors factors;
    std::size_t scratch;  ///< per task
    row_tasks tasks;
  };

  static result<op_request> request(const op_view& op, isa) noexcept {
    op_request r;
    r.scratch_bytes = scratch_of(op) * tasks_of(op).count();
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p.q = bind.input[0];
    p.k = bind.input[1];
    p.v = bind.input[2];
    p.output = bind.output;
    p.factors.heads = op.attribute(0);
    p.factors.causal = op.attribute(1) != 0;
    if (op.has_input(3)) {
      p.factors.r = op.constant<std::int8_t>(3);
      p.factors.distances = op.input(3).dims[0];
    }
    if (op.has_input(4)) {
      p.factors.rb = op.constant<std::int32_t>(4);
      p.factors.distances = op.input(4).dims[1];
    }
    p.scratch = scratch_of(op);
    p.tasks = tasks_of(op);
    if (!kernels::make_attention_factors(p.q.shape.c, quantization_of(op.input(0)), quantization_of(op.input(1)),
                                         quantization_of(op.input(2)), quantization_of(op.output()), p.factors))
      return op.fail(errc::bad_value, "the scales of q, k, v and the output do not fit attention: recalibrate");
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      std::byte* const scratch = context.scratch + static_cast<std::size_t>(begin / p.tasks.per_task) * p.scratch;
      kernels::attention(p.q.view<const std::uint8_t>(), p.k.view<const std::uint8_t>(), p.v.view<const std::uint8_t>(),
                         p.factors, p.output.view<std::uint8_t>(), begin, end, scratch);
    });
  }

private:
  static std::size_t scratch_of(const op_view& op) noexcept {
    const std::int32_t depth = op.input(0).dims[2], heads = op.attribute(0);
    return round_up(kernels::attention_scratch_bytes(op.input(1).dims[0], depth / heads), 64);
  }
  static row_tasks tasks_of(const op_view& op) noexcept {
    return split_rows(op.input(0).dims[0], std::int64_t{op.input(1).dims[0]} * op.input(0).dims[2] * 2);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
