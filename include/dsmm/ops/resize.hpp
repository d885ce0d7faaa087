// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/resize.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Nearest or bilinear resampling, half-pixel centres.
struct resize_op {
  static constexpr op_kind kind = op_kind::resize;

  struct prepared {
    operand input, output;
    std::int32_t zero_point;
    bool is_u8, bilinear;
    isa level;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0],
         bind.output,
         op.output().zero_point,
         type_of(op.output()) == dtype::u8,
         op.attribute(0) == 1,
         bind.level,
         split_rows(bind.output.shape.h, std::int64_t{bind.output.shape.w} * bind.output.shape.c * 8)};
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      if (p.is_u8) rows_u8(p, begin, end);
      else rows_f32(p, begin, end);
    });
  }

private:
  static void rows_u8(const prepared& p, std::int32_t begin, std::int32_t end) noexcept {
    const auto x = p.input.view<const std::uint8_t>();
    const auto y = p.output.view<std::uint8_t>();
    if (p.bilinear) kernels::resize_bilinear_u8(p.level, x, y, p.zero_point, begin, end);
    else kernels::resize_nearest<std::uint8_t>(x, y, p.zero_point, begin, end);
  }
  static void rows_f32(const prepared& p, std::int32_t begin, std::int32_t end) noexcept {
    const auto x = p.input.view<const float>();
    const auto y = p.output.view<float>();
    if (p.bilinear) kernels::resize_bilinear_f32(x, y, begin, end);
    else kernels::resize_nearest<float>(x, y, 0, begin, end);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
