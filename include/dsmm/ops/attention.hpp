// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/attention.hpp"
#include "dsmm/ops/attention_tasks.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Multi-head attention with relative positions; keys and values may be states, the memory of Transformer-XL. Or
/// attention in windows: rows follow each other window by window, and none looks outside its own.
struct attention_op {
  static constexpr op_kind kind = op_kind::attention;

  struct prepared {
    operand q, k, v, output;
    const std::int32_t *bias, *kinds;  ///< of windows; may be null
    std::int32_t windows, bias_kind;   ///< elements of one bias
    bool bias_by_head;
    kernels::attention_factors factors;
    const kernels::attention_kernel* kernel;
    std::size_t packed, scratch;  ///< bytes of all heads; bytes of a task
    tasks_of_heads tasks;
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    op_request r;
    const kernels::attention_call call = call_of(op);
    const kernels::attention_kernel& kernel = kernels::attention_kernel_for(level, call);
    const std::int32_t windows = windows_of(op);
    r.scratch_bytes = windows == 1 ? packed_of(kernel, call) + scratch_of(kernel, call) * tasks_of_heads::of(call).count
                                   : (packed_of(kernel, call) + scratch_of(kernel, call)) * tasks_of_windows(windows);
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
    p.windows = windows_of(op);
    p.kinds = op.has_input(8) ? op.constant<std::int32_t>(8) : nullptr;
    p.bias = op.has_input(7) ? op.constant<std::int32_t>(7) : nullptr;
    p.bias_by_head = p.bias != nullptr && op.input(7).dims[1] != 1;
    p.bias_kind = (p.bias_by_head ? p.factors.heads : 1) * call.queries() * call.keys();
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    if (p.windows != 1) return run_windows(p, context);
    const kernels::attention_call call = window(p, 0);
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
  static std::int32_t windows_of(const op_view& op) noexcept { return op.has_input(8) ? op.input(8).dims[0] : 1; }
  static std::uint32_t tasks_of_windows(std::int32_t windows) noexcept {
    return static_cast<std::uint32_t>(std::min(windows, 32));
  }

  template <class T>
  static tensor_view<T> part(tensor_view<T> all, std::int32_t of, std::int32_t i) noexcept {
    all.shape.h /= of;
    all.data = all.at(std::ptrdiff_t{i} * all.shape.h, 0);
    return all;
  }

  static kernels::attention_call window(const prepared& p, std::int32_t i) noexcept {
    kernels::attention_call call{part(p.q.view<const std::uint8_t>(), p.windows, i),
                                 part(p.k.view<const std::uint8_t>(), p.windows, i),
                                 part(p.v.view<const std::uint8_t>(), p.windows, i),
                                 part(p.output.view<std::uint8_t>(), p.windows, i), p.factors};
    call.bias_by_head = p.bias_by_head;
    if (p.bias != nullptr) call.bias = p.bias + std::ptrdiff_t{p.kinds != nullptr ? p.kinds[i] : 0} * p.bias_kind;
    return call;
  }

  static void run_windows(const prepared& p, const run_context& context) noexcept {
    const std::uint32_t tasks = tasks_of_windows(p.windows);
    context.exec.each(tasks, [&](std::uint32_t task) {
      std::byte* const packed = context.scratch + task * (p.packed + p.scratch);
      const auto from = [&](std::uint32_t n) { return static_cast<std::int32_t>(std::int64_t{p.windows} * n / tasks); };
      for (std::int32_t i = from(task); i < from(task + 1); ++i) {
        const kernels::attention_call call = window(p, i);
        for (std::int32_t head = 0; head < p.factors.heads; ++head) {
          if (p.packed != 0) p.kernel->pack(call, head, packed);
          p.kernel->rows(call, head, 0, call.queries(), packed, packed + p.packed);
        }
      }
    });
  }

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
    for (extents* e : {&call.q.shape, &call.k.shape, &call.v.shape, &call.y.shape}) e->h /= windows_of(op);
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
