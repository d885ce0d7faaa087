// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/conv_u8s4.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/ops/conv_tables.hpp"
#include "dsmm/ops/conv_tasks.hpp"
#include "dsmm/ops/op.hpp"
#include "dsmm/ops/window.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// What conv2d, linear and causal_conv1d have in common: groups of packed weights and one epilogue.
struct packed_conv {
  kernels::conv_packed* groups = nullptr;  ///< group_count packed weights
  std::int32_t group_count = 1;
  std::int32_t in_per_group = 0, out_per_group = 0;
  conv_tables tables{};
  kernels::conv_epilogue epilogue{};  ///< of the first group
  bool to_u8 = true;

  /// How to cut a run over x into tasks.
  conv_tasks tasks(const operand& output, const operand& x) const noexcept {
    const kernels::conv_geometry& g = groups[0].geometry;
    const std::int64_t weights = std::int64_t{g.quads()} * 4 * g.out_channels * group_count;
    // Grouped convolutions have few channels per group: their rows alone are cut.
    return conv_tasks::of(output.shape.h, output.shape.w, group_count == 1 ? groups[0].panel_count : 0,
                          weights * output.shape.h * output.shape.w, weights, x.shape.count());
  }

  /// All of it on the executor.
  void run(const run_context& context, const conv_tasks& tasks, tensor_view<const std::uint8_t> x,
           const operand& output) const noexcept {
    context.exec.each(tasks.count(), [&](std::uint32_t i) {
      tasks.run(i, [&](std::int32_t begin, std::int32_t end, std::int32_t first_panel, std::int32_t last_panel) {
        if (tasks.panels == tasks.panels_per_task) return rows(x, output, begin, end);
        kernels::conv_packed part = groups[0];
        part.panels += first_panel;
        part.panel_count = last_panel - first_panel;
        if (part.panel_count == 1) part.panels_ahead = static_cast<std::int32_t>(context.exec.width);
        group_rows(part, epilogue, x, output, 0, begin, end);
      });
    });
  }

  /// Output rows [begin, end) from x, whose data points at the first tap of output (0, 0).
  void rows(tensor_view<const std::uint8_t> x, const operand& output, std::int32_t begin,
            std::int32_t end) const noexcept {
    for (std::int32_t g = 0; g < group_count; ++g) {
      tensor_view<const std::uint8_t> in = x;
      in.data += g * in_per_group;
      kernels::conv_epilogue e = epilogue;
      const std::ptrdiff_t first = g * out_per_group;
      e.bias += first;
      e.multiplier += first;
      e.shift += first;
      e.factor += first;
      if (g + 1 != group_count) e.pad_channels = 0;
      group_rows(groups[g], e, in, output, g, begin, end);
    }
  }

private:
  void group_rows(const kernels::conv_packed& p, const kernels::conv_epilogue& e, tensor_view<const std::uint8_t> x,
                  const operand& output, std::int32_t g, std::int32_t begin, std::int32_t end) const noexcept {
    if (to_u8) kernels::conv_rows_u8(p, e, x, group_of(output.view<std::uint8_t>(), g), begin, end);
    else kernels::conv_rows_f32(p, e, x, group_of(output.view<float>(), g), begin, end);
  }

  template <class T>
  tensor_view<T> group_of(tensor_view<T> y, std::int32_t g) const noexcept {
    y.data += g * out_per_group;
    y.shape.c = out_per_group;
    return y;
  }
};

/// Geometry of a whole convolution op as the kernels see it.
struct conv_form {
  kernels::conv_geometry geometry{};  ///< of one group
  std::int32_t groups = 1;
  bool merged = false;     ///< a row of taps is one run of bytes: (kw * I) channels instead of kw taps of I
  bool four_bits = false;  ///< weights of I4S, in groups of
  std::int32_t group = 0;
  std::int64_t pixels = 1;  ///< outputs of a run

  /// `pixel` is the distance of two input pixels in bytes. Where channels are not padded in memory (pictures), the taps
  /// of a row lie side by side, and 5 x 5 on one channel is 5 runs of 5 bytes instead of 25 padded dwords.
  static constexpr conv_form of(const format::tensor_row& w, std::int32_t stride_h, std::int32_t stride_w,
                                std::int32_t dilation_h, std::int32_t dilation_w, std::int32_t groups,
                                std::ptrdiff_t pixel, extents output) noexcept {
    conv_form f;
    f.groups = groups;
    f.four_bits = type_of(w) == dtype::i4s;
    f.group = static_cast<std::int32_t>(w.group);
    f.pixels = std::int64_t{output.h} * output.w;
    const std::int32_t in = w.dims[3];
    f.merged = groups == 1 && dilation_w == 1 && pixel == in && w.dims[2] > 1 && in % channel_block != 0;
    const std::int32_t run = f.merged ? in * w.dims[2] : in;
    f.geometry.kernel_h = w.dims[1];
    f.geometry.kernel_w = f.merged ? 1 : w.dims[2];
    f.geometry.stride_h = stride_h;
    f.geometry.stride_w = stride_w;
    f.geometry.dilation_h = dilation_h;
    f.geometry.dilation_w = dilation_w;
    f.geometry.in_channels = run;
    f.geometry.in_channels_padded = static_cast<std::int32_t>(round_up(static_cast<std::size_t>(run), channel_block));
    f.geometry.out_channels = w.dims[0] / groups;
    return f;
  }

  std::size_t prepared_bytes(isa level) const noexcept {
    const auto count = static_cast<std::size_t>(groups);
    return conv_tables::bytes(static_cast<std::size_t>(geometry.out_channels) * count + 64) +
           round_up(count * sizeof(kernels::conv_packed), 64) + count * round_up(packed_bytes(level), 64);
  }

  /// Whether weights of this form stay nibbles on such a machine.
  bool nibbles(isa level) const noexcept { return four_bits && kernels::keep_nibbles(geometry, group, pixels, level); }
  /// Of one group.
  std::size_t packed_bytes(isa level) const noexcept {
    return nibbles(level) ? kernels::conv_s4_pack_bytes(geometry, group, level)
                          : kernels::conv_pack_bytes(geometry, level);
  }
};

/// Packs weights (input 1), bias (2) and scale (3) of a convolution-like op. Errors: bad_value.
inline result<packed_conv> pack_conv(const op_view& op, const conv_form& form, const op_binding& bind, bool relu,
                                     std::span<std::byte> memory) noexcept {
  const auto groups = static_cast<std::size_t>(form.groups);
  const auto channels = static_cast<std::size_t>(form.geometry.out_channels) * groups;
  const format::tensor_row& w = op.input(1);
  const auto depth =
      static_cast<std::size_t>(w.dims[1]) * static_cast<std::size_t>(w.dims[2]) * static_cast<std::size_t>(w.dims[3]);
  const std::span<const std::int8_t> w8 = dense_weights(op, 1, channels, depth, bind.temporary);
  auto tables = fill_conv_tables(op, w8, channels, memory.data());
  if (!tables) return tables.error();

  packed_conv p;
  p.group_count = form.groups;
  p.in_per_group = form.geometry.in_channels;
  p.out_per_group = form.geometry.out_channels;
  p.tables = *tables;
  p.to_u8 = type_of(op.output()) == dtype::u8;
  const std::int32_t zero = op.output().zero_point;
  const auto pad = static_cast<std::int32_t>(round_up(channels, channel_block) - channels);
  p.epilogue = {tables->bias, tables->multiplier, tables->shift, tables->factor, zero, relu ? zero : 0, 255, relu,
                pad,          tables->by_float};
  std::byte* at = memory.data() + conv_tables::bytes(channels + 64);
  p.groups = reinterpret_cast<kernels::conv_packed*>(at);
  at += round_up(groups * sizeof(kernels::conv_packed), 64);
  const std::ptrdiff_t row = bind.input[0].row, pixel = bind.input[0].pixel;
  const std::size_t runs = form.group == 0 ? 0 : (depth + w.group - 1) / w.group;
  const std::uint8_t* const scales = op.constant<std::uint8_t>(1) + channels * ((depth + 1) / 2);
  for (std::size_t g = 0; g < groups; ++g, at += round_up(form.packed_bytes(bind.level), 64)) {
    const std::size_t first = g * static_cast<std::size_t>(form.geometry.out_channels);
    const std::int8_t* const dense = w8.data() + first * depth;
    ::new (p.groups + g) kernels::conv_packed(
        form.nibbles(bind.level) ? kernels::conv_s4_pack(form.geometry, bind.level,
                                                         {dense, scales + first * runs, form.group, form.pixels},
                                                         row, pixel, at)
                                 : kernels::conv_pack(form.geometry, bind.level, dense, row, pixel, at, form.pixels));
  }
  return p;
}

/// 2-D convolution, u8 x (i4s | s8) -> u8 | f32 (docs/ops.md). Reads its padding from the halo of x.
struct conv2d_op {
  static constexpr op_kind kind = op_kind::conv2d;

  struct prepared {
    packed_conv conv;
    operand input, output;
    std::ptrdiff_t first_tap = 0;  ///< from x(0, 0) back to the first tap of y(0, 0), elements
    conv_tasks tasks;
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    op_request r;
    r.input_halo[0] = window_of(op).halo_around(shape_of(op.input(0)), shape_of(op.output()));
    // Merged or not is known only with the layout: ask for the larger of the two.
    const conv_form plain = form(op, -1), merged = form(op, op.input(1).dims[3]);
    r.prepared_bytes = std::max(plain.prepared_bytes(level), merged.prepared_bytes(level));
    r.temporary_bytes = dense_bytes(op, 1);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    auto conv = pack_conv(op, form(op, bind.input[0].pixel), bind, op.attribute(9) != 0, memory);
    if (!conv) return conv.error();
    p.conv = *conv;
    p.input = bind.input[0];
    p.output = bind.output;
    const spatial_window window = window_of(op);
    p.first_tap = window.pad_top * p.input.row + window.pad_left * p.input.pixel;
    for (std::int32_t g = 0; op.input(0).zero_point == 0 && g < p.conv.group_count; ++g) {
      p.conv.groups[g].zero_rows = window.pad_top;
      p.conv.groups[g].used_rows = p.input.shape.h;
    }
    p.tasks = p.conv.tasks(p.output, p.input);
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    tensor_view<const std::uint8_t> x = p.input.view<const std::uint8_t>();
    x.data -= p.first_tap;
    p.conv.run(context, p.tasks, x, p.output);
  }

private:
  static conv_form form(const op_view& op, std::ptrdiff_t pixel) noexcept {
    const spatial_window s = window_of(op);
    return conv_form::of(op.input(1), s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, op.attribute(8), pixel,
                         shape_of(op.output()));
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
