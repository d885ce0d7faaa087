// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/softmax.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Softmax over C of f32 scores.
struct softmax_op {
  static constexpr op_kind kind = op_kind::softmax;

  struct prepared {
    operand input, output;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view&, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0], bind.output};
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    kernels::softmax(p.input.view<const float>(), p.output.view<float>(), 0, p.output.shape.h);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
