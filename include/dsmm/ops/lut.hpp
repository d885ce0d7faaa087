// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/lut.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// A non-linearity as a table of 256 values.
struct lut_op {
  static constexpr op_kind kind = op_kind::lut;

  struct prepared {
    operand input, output;
    kernels::u8_table table;
    kernels::lut_function look_up;
    std::int32_t zero_point;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p.input = bind.input[0];
    p.output = bind.output;
    p.zero_point = op.output().zero_point;
    for (std::size_t i = 0; i < 256; ++i) p.table[i] = clamp_u8(op.constant<std::int32_t>(1)[i]);
    p.look_up = kernels::lut_for(bind.level);
    p.tasks = split_rows(p.output.shape.h, std::int64_t{p.output.shape.w} * p.output.shape.c);
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      kernels::lut_u8(p.input.view<const std::uint8_t>(), p.table, p.output.view<std::uint8_t>(), p.zero_point, begin,
                      end, p.look_up);
    });
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
