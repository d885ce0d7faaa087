// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/ops/conv2d.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Causal 1-D convolution over a stream: the past lies in a state, so a run costs the new steps alone, however far the
/// kernel and its dilation reach back; and the stream cut into any runs gives the bits of one long run.
struct causal_conv1d_op {
  static constexpr op_kind kind = op_kind::causal_conv1d;

  struct prepared {
    packed_conv conv;
    operand input, past, output;
    std::int32_t reach = 0;  ///< (K - 1) * dilation
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    op_request r;
    r.prepared_bytes = form(op).prepared_bytes(level);
    r.temporary_bytes = dense_bytes(op, 1);
    r.state_extra[4] = static_cast<std::uint32_t>(op.input(0).dims[0]);  // past and new steps as one block
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    op_binding from_state = bind;
    from_state.input[0].row = bind.input[4].row;
    from_state.input[0].pixel = bind.input[4].pixel;
    auto conv = pack_conv(op, form(op), from_state, op.attribute(1) != 0, memory);
    if (!conv) return conv.error();
    p.conv = *conv;
    p.input = bind.input[0];
    p.output = bind.output;
    p.past = bind.input[4];
    p.reach = (op.input(1).dims[1] - 1) * op.attribute(0);
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    const auto x = p.input.view<const std::uint8_t>();
    push_rows(*p.past.state, x);
    tensor_view<const std::uint8_t> all = p.past.view<const std::uint8_t>();
    all.data =
        reinterpret_cast<const std::uint8_t*>(p.past.state->newest(static_cast<std::uint32_t>(p.reach + x.shape.h)));
    all.shape.h = p.reach + x.shape.h;
    p.conv.rows(all, p.output, 0, p.output.shape.h);
  }

private:
  static conv_form form(const op_view& op) noexcept {
    return conv_form::of(op.input(1), 1, 1, op.attribute(0), 1, 1, -1, shape_of(op.output()));
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
