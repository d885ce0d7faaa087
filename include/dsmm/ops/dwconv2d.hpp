// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/dwconv_u8s8.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/ops/conv_tables.hpp"
#include "dsmm/ops/op.hpp"
#include "dsmm/ops/window.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Depthwise 2-D convolution: one kernel per channel, u8 x (i4s | s8) -> u8 | f32.
struct dwconv2d_op {
  static constexpr op_kind kind = op_kind::dwconv2d;

  struct prepared {
    kernels::conv_packed packed;
    kernels::conv_epilogue epilogue;
    operand input, output;
    std::ptrdiff_t first_tap = 0;  ///< from x(0, 0) back to the first tap of y(0, 0), elements
    bool to_u8 = true;
    row_tasks tasks;
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    op_request r;
    r.input_halo[0] = window_of(op).halo_around(shape_of(op.input(0)), shape_of(op.output()));
    r.prepared_bytes = conv_tables::bytes(channels(op)) + kernels::dw_pack_bytes(geometry(op), level);
    r.temporary_bytes = dense_bytes(op, 1);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    const format::tensor_row& w = op.input(1);
    const std::size_t taps = static_cast<std::size_t>(w.dims[1]) * static_cast<std::size_t>(w.dims[2]);
    const std::span<const std::int8_t> w8 = dense_weights(op, 1, channels(op), taps, bind.temporary);
    auto tables = fill_conv_tables(op, w8, channels(op), memory.data());
    if (!tables) return tables.error();
    p.input = bind.input[0];
    p.output = bind.output;
    p.to_u8 = type_of(op.output()) == dtype::u8;
    const bool relu = op.attribute(8) != 0;
    const std::int32_t zero = op.output().zero_point;
    const auto pad = kernels::padding_of(p.output.shape, p.output.pixel);
    p.epilogue = {tables->bias, tables->multiplier, tables->shift, tables->factor, zero, relu ? zero : 0, 255, relu,
                  pad,          tables->by_float};
    p.packed = kernels::dw_pack(geometry(op), bind.level, w8.data(), p.input.row, p.input.pixel,
                                memory.data() + conv_tables::bytes(channels(op)));
    const spatial_window window = window_of(op);
    p.first_tap = window.pad_top * p.input.row + window.pad_left * p.input.pixel;
    p.tasks = tasks_of(p.output.shape, std::int64_t{w.dims[1]} * w.dims[2]);
    return {};
  }

  /// 2^18 products are about 4 us of the fastest kernel; layers below that are not worth a second thread.
  static constexpr row_tasks tasks_of(extents output, std::int64_t taps) noexcept {
    return split_rows(output.h, std::int64_t{output.w} * output.c * taps, 1 << 18);
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    tensor_view<const std::uint8_t> x = p.input.view<const std::uint8_t>();
    x.data -= p.first_tap;
    for_rows(context, p.tasks, [&](std::int32_t begin, std::int32_t end) {
      if (p.to_u8) kernels::dw_rows_u8(p.packed, p.epilogue, x, p.output.view<std::uint8_t>(), begin, end);
      else kernels::dw_rows_f32(p.packed, p.epilogue, x, p.output.view<float>(), begin, end);
    });
  }

private:
  static std::size_t channels(const op_view& op) noexcept { return static_cast<std::size_t>(op.input(1).dims[0]); }

  static kernels::conv_geometry geometry(const op_view& op) noexcept {
    const format::tensor_row& w = op.input(1);
    const spatial_window s = window_of(op);
    const auto c = static_cast<std::int32_t>(channels(op));
    const auto padded = static_cast<std::int32_t>(round_up(channels(op), channel_block));
    return {w.dims[1], w.dims[2], s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, c, padded, c};
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
