// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/ops/conv2d.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Fully connected layer on every row: (T, W, I) x (O, 1, 1, I) -> (T, W, O).
struct linear_op {
  static constexpr op_kind kind = op_kind::linear;

  struct prepared {
    packed_conv conv;
    operand input, output;
    conv_tasks tasks;
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    op_request r;
    r.prepared_bytes = form(op).prepared_bytes(level);
    r.temporary_bytes = dense_bytes(op, 1);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    auto conv = pack_conv(op, form(op), bind, op.attribute(0) != 0, memory);
    if (!conv) return conv.error();
    p.conv = *conv;
    p.input = bind.input[0];
    p.output = bind.output;
    p.tasks = p.conv.tasks(p.output, p.input);
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    p.conv.run(context, p.tasks, p.input.view<const std::uint8_t>(), p.output);
  }

private:
  static conv_form form(const op_view& op) noexcept {
    return conv_form::of(op.input(1), 1, 1, 1, 1, 1, -1, shape_of(op.output()));
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
