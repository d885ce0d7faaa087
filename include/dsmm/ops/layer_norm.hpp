// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/layer_norm.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Layer normalisation over C: exact integer sums of u8 values, 64-lane sums of f32 ones.
struct layer_norm_op {
  static constexpr op_kind kind = op_kind::layer_norm;

  struct prepared {
    operand input, output;
    kernels::layer_norm_factors factors;
    bool from_u8;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view& op, isa) noexcept {
    op_request r;
    r.prepared_bytes = static_cast<std::size_t>(op.input(0).dims[2]) * 2 * sizeof(float);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    p.input = bind.input[0];
    p.output = bind.output;
    p.from_u8 = type_of(op.input(0)) == dtype::u8;
    p.tasks = split_rows(p.output.shape.h, std::int64_t{p.output.shape.w} * p.output.shape.c * 8);
    const float *const gamma = op.constant<float>(1), *const beta = op.constant<float>(2);
    auto* const table = reinterpret_cast<float*>(memory.data());
    const quantization x = quantization_of(op.input(0)), y = quantization_of(op.output());
    const std::int32_t channels = p.input.shape.c;
    if (p.from_u8 ? !kernels::make_layer_norm(gamma, beta, channels, op.attribute_f32(0), x, y, table, p.factors)
                  : !kernels::make_layer_norm(gamma, beta, channels, op.attribute_f32(0), y, table, p.factors))
      return op.fail(errc::bad_value, "layer_norm takes at most 4096 channels and an epsilon above 0");
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      const auto y = p.output.view<std::uint8_t>();
      if (p.from_u8) kernels::layer_norm(p.input.view<const std::uint8_t>(), p.factors, y, begin, end);
      else kernels::layer_norm(p.input.view<const float>(), p.factors, y, begin, end);
    });
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
