// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/quantize.hpp"
#include "dsmm/kernels/quantize_planes.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// f32 to u8 with a factor and an offset per channel: where measured values enter the integer network.
struct quantize_op {
  static constexpr op_kind kind = op_kind::quantize;

  struct prepared {
    operand input, output;
    const float *scale, *offset;
    std::int32_t zero_point;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    const extents y = bind.output.shape;
    p = {bind.input[0],          bind.output,
         op.constant<float>(1),  op.constant<float>(2),
         op.output().zero_point, split_rows(y.h, std::int64_t{y.w} * y.c)};
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      kernels::quantize(p.input.view<const float>(), p.scale, p.offset, p.output.view<std::uint8_t>(), p.zero_point,
                        begin, end);
    });
  }
};

/// As quantize, of f32 planes: where pictures of models from elsewhere enter the integer network.
struct quantize_planes_op {
  static constexpr op_kind kind = op_kind::quantize_planes;

  struct prepared {
    operand input, output;
    const float *scale, *offset;
    std::int32_t zero_point;
    isa level;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view&, isa) noexcept {
    op_request r;
    r.plain_inputs = 1;
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    const extents y = bind.output.shape;
    p = {bind.input[0],
         bind.output,
         op.constant<float>(1),
         op.constant<float>(2),
         op.output().zero_point,
         bind.level,
         split_rows(y.h, std::int64_t{y.w} * y.c)};
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      kernels::quantize_planes(p.level, reinterpret_cast<const float*>(p.input.data), p.scale, p.offset,
                               p.output.view<std::uint8_t>(), p.zero_point, begin, end);
    });
  }
};

/// u8 back to f32: where scores leave the integer network.
struct dequantize_op {
  static constexpr op_kind kind = op_kind::dequantize;

  struct prepared {
    operand input, output;
    quantization x;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0], bind.output, quantization_of(op.input(0))};
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    kernels::dequantize(p.input.view<const std::uint8_t>(), p.x, p.output.view<float>(), 0, p.output.shape.h);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
