// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/pool.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// The window that the attributes of a pool describe; kernel 0 covers the whole image.
inline kernels::pool_geometry pool_window(const op_view& op) noexcept {
  if (op.attribute(0) == 0) return kernels::global_pool(shape_of(op.input(0)));
  return {op.attribute(0), op.attribute(1), op.attribute(2), op.attribute(3), op.attribute(4), op.attribute(5)};
}

/// What both pools keep.
struct pool_prepared {
  operand input, output;
  kernels::pool_geometry window;
  quantization x, y;
  bool is_u8 = true;
  row_tasks tasks;
};

inline pool_prepared prepare_pool(const op_view& op, const op_binding& bind) noexcept {
  pool_prepared p;
  p.input = bind.input[0];
  p.output = bind.output;
  p.window = pool_window(op);
  p.x = quantization_of(op.input(0));
  p.y = quantization_of(op.output());
  p.is_u8 = type_of(op.output()) == dtype::u8;
  p.tasks = split_rows(p.output.shape.h,
                       std::int64_t{p.output.shape.w} * p.output.shape.c * p.window.kernel_h * p.window.kernel_w);
  return p;
}

/// Largest value of each window.
struct max_pool_op {
  static constexpr op_kind kind = op_kind::max_pool;
  using prepared = pool_prepared;

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = prepare_pool(op, bind);
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      if (p.is_u8)
        kernels::max_pool_u8(p.input.view<const std::uint8_t>(), p.output.view<std::uint8_t>(), p.window,
                             p.y.zero_point, begin, end);
      else kernels::max_pool_f32(p.input.view<const float>(), p.output.view<float>(), p.window, begin, end);
    });
  }
};

/// Mean of each window, over the elements inside the image.
struct avg_pool_op {
  static constexpr op_kind kind = op_kind::avg_pool;
  using prepared = pool_prepared;

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = prepare_pool(op, bind);
    if (p.is_u8 && !kernels::avg_pool_fits(p.input.shape, p.output.shape, p.window, p.x, p.y))
      return op.fail(errc::bad_value, "the output scale is too small for the input's scale: recalibrate");
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      if (p.is_u8)
        kernels::avg_pool_u8(p.input.view<const std::uint8_t>(), p.output.view<std::uint8_t>(), p.window, p.x, p.y,
                             begin, end);
      else kernels::avg_pool_f32(p.input.view<const float>(), p.output.view<float>(), p.window, begin, end);
    });
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
