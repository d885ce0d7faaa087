// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Pushes the rows of a series into a state: the memory of a streaming layer.
struct append_op {
  static constexpr op_kind kind = op_kind::append;

  struct prepared {
    operand input, state;
    bool is_u8;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0], bind.input[1], type_of(op.input(0)) == dtype::u8};
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    if (p.is_u8) push_rows(*p.state.state, p.input.view<const std::uint8_t>());
    else push_rows(*p.state.state, p.input.view<const float>());
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
