// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/layer_norm.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Layer normalisation over C, exact integer sums.
struct layer_norm_op {
  static constexpr op_kind kind = op_kind::layer_norm;

  struct prepared {
    operand input, output;
    kernels::layer_norm_factors factors;
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
    if (!kernels::make_layer_norm(op.constant<float>(1), op.constant<float>(2), p.input.shape.c, op.attribute_f32(0),
                                  quantization_of(op.input(0)), quantization_of(op.output()),
                                  reinterpret_cast<float*>(memory.data()), p.factors))
      return op.fail(errc::bad_value, "layer_norm takes at most 4096 channels and an epsilon above 0");
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    kernels::layer_norm(p.input.view<const std::uint8_t>(), p.factors, p.output.view<std::uint8_t>(), 0,
                        p.output.shape.h);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
