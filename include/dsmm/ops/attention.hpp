// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/attention.hpp"
#include "dsmm/ops/attention_tasks.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Multi-head attention with relative positions; keys and values may be states, the memory of Transformer-XL.
struct attention_op {
  static constexpr op_kind kind = op_kind::attention;

  struct prepared {
    operand q, k, v, output;
    kernels::attention_factors factors;
    const kernels::attention_kernel* kernel;
    std::size_t packed, scratch;  ///< bytes of all heads; bytes of a task
    tasks_of_heads tasks;
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    op_request r;
    const kernels::attention_call call = call_of(op);
    const kernels::attention_kernel& kernel = kernels::attention_kernel_for(level, call);
    r.scratch_bytes = packed_of(kernel, call) + scratch_of(kernel, call) * tasks_of_heads::of(call).count;
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p.q = bind.input[0];
    p.k = bind.input[1];
    p.v = bind.input[2];
    p.output = bind.output;
    if (!factors_of(op, p.factors))
      return op.fail(errc::bad_value, "the scales of q, k, v and the output do not fit attention: recalibrate");
    const kernels::attention_call call = call_of(op);
    p.kernel = &kernels::attention_kernel_for(bind.level, call);
    p.packed = packed_of(*p.kernel, call);
    p.scratch = scratch_of(*p.kernel, call);
    p.tasks = tasks_of_heads::of(call);
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    const kernels::attention_call call{p.q.view<const std::uint8_t>(), p.k.view<const std::uint8_t>(),
                                       p.v.view<const std::uint8_t>(), p.output.view<std::uint8_t>(), p.factors};
    std::byte* const packed = context.scratch;
    if (p.packed != 0)
      context.exec.each(static_cast<std::uint32_t>(p.factors.heads),
                        [&](std::uint32_t head) { p.kernel->pack(call, static_cast<std::int32_t>(head), packed); });
    context.exec.each(p.tasks.count, [&](std::uint32_t i) {
      std::byte* const scratch = packed + p.packed + i * p.scratch;
      p.tasks.each(i, [&](std::int32_t head, std::int32_t begin, std::int32_t end) {
        p.kernel->rows(call, head, begin, end, packed, scratch);
      });
    });
  }

private:
  static bool factors_of(const op_view& op, kernels::attention_factors& f) noexcept {
    f.heads = op.attribute(0);
    f.causal = op.attribute(1) != 0;
    if (op.has_input(3)) {
      f.r = op.constant<std::int8_t>(3);
      f.distances = op.input(3).dims[0];
    }
    if (op.has_input(4)) {
      f.rb = op.constant<std::int32_t>(4);
      f.distances = op.input(4).dims[1];
    }
    const quantization q = quantization_of(op.input(0)), k = quantization_of(op.input(1)),
                       v = quantization_of(op.input(2)), y = quantization_of(op.output());
    const std::int32_t depth = op.input(0).dims[2];
    if (!op.has_input(5)) return kernels::make_attention_factors(depth, q, k, v, y, f);
    const float* const levels = op.constant<float>(5);
    f.levels.powers = op.constant<std::int32_t>(6);
    f.levels.zero_score = static_cast<std::int32_t>(levels[1]);
    f.levels.zero = static_cast<std::int32_t>(levels[3]);
    return kernels::make_rounded_attention_factors(depth, q, k, v, y, levels[0], levels[2], f);
  }

  /// Shapes and factors without data; factors that do not fit are found by prepare().
  static kernels::attention_call call_of(const op_view& op) noexcept {
    kernels::attention_call call{};
    call.q.shape = shape_of(op.input(0));
    call.k.shape = shape_of(op.input(1));
    call.v.shape = shape_of(op.input(2));
    call.y.shape = shape_of(op.output());
    static_cast<void>(factors_of(op, call.factors));
    return call;
  }
  static std::size_t packed_of(const kernels::attention_kernel& kernel, const kernels::attention_call& call) noexcept {
    return round_up(kernel.packed_bytes(call), 64);
  }
  static std::size_t scratch_of(const kernels::attention_kernel& kernel, const kernels::attention_call& call) noexcept {
    return round_up(kernel.scratch_bytes(call), 64);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
