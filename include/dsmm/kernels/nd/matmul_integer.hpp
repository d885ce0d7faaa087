// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/nd/integer.hpp"
#include "dsmm/kernels/nd/matmul.hpp"
#include "dsmm/kernels/nd/matmul_integer_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// Matrix products of 8-bit integers with zero points. A constant right matrix is packed for the u8 x s8 kernels.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace matmul_integer_impl {

using namespace integer_impl;

/// At the start of the packed memory; the sums of the columns and the kernel's weights lie behind.
struct packed_right {
  conv_packed product;
  const std::int32_t* sums;
};

inline conv_geometry geometry_of(const matmul_impl::matrix& b) noexcept {
  conv_geometry g;
  g.in_channels = static_cast<std::int32_t>(b.rows);
  g.in_channels_padded = static_cast<std::int32_t>(round_up(static_cast<std::size_t>(b.rows), 4));
  g.out_channels = static_cast<std::int32_t>(b.columns);
  return g;
}

/// One zero point for all of a: the kernels take it off with the sums of the columns.
inline bool on_kernels(const call& c) noexcept { return c.packed != nullptr && (!c.in[2] || c.in[2].count() == 1); }

/// Whether the kernels can read a where it lies: they read whole dwords of u8.
inline bool reads_in_place(const call& c, std::int64_t k) noexcept { return c.in[0].type == dtype::u8 && k % 4 == 0; }

/// Per column: what each sum starts with, the zero points, scale and bias; per row its sum; then a copy of a.
struct scratch_layout {
  std::size_t columns, row_sums, copy, bytes;

  scratch_layout(const call& c, std::int64_t rows, std::int64_t n, std::int64_t k) noexcept {
    columns = word_bytes(n);
    row_sums = 4 * columns;
    copy = row_sums + (c.packed != nullptr ? word_bytes(rows) : 0);
    bytes = copy;
    if (c.packed != nullptr && !reads_in_place(c, k))
      bytes += static_cast<std::size_t>(rows) * round_up(static_cast<std::size_t>(k), 4) + 64;
  }
};

/// The columns' scale and bias as arrays, or null where there is none.
struct column_values {
  const float *scale = nullptr, *bias = nullptr;

  column_values(const call& c, std::byte* memory, std::size_t bytes, std::int64_t n) noexcept {
    for (std::uint32_t i : {4u, 5u}) {
      if (!c.in[i]) continue;
      float* const to = reinterpret_cast<float*>(memory + (i - 4) * bytes);
      const float* const from = c.in[i].as<const float>();
      for (std::int64_t j = 0; j < n; ++j) to[j] = from[c.in[i].count() == 1 ? 0 : j];
      (i == 4 ? scale : bias) = to;
    }
  }
};

/// How rows and panels of columns are shared out; depends on shapes alone.
struct task_grid {
  std::int64_t rows, rows_per_task, panels, panels_per_task;

  /// A block of rows stays in the second cache (512 KiB of it) while panels pass by, and so do the words that a task
  /// leaves for its last step (256 KiB). 28 rows are the largest tile, 2^23 products 36 us of the fastest kernel.
  task_grid(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t panel_count) noexcept
      : rows(m), panels(std::max<std::int64_t>(panel_count, 1)) {
    const std::int64_t most = std::clamp<std::int64_t>((std::int64_t{1} << 19) / k, 84, 168);
    const std::int64_t row_blocks = (m + most - 1) / most;
    rows_per_task = row_blocks == 1 ? m : ((m + row_blocks - 1) / row_blocks + 27) / 28 * 28;
    const std::int64_t columns =
        std::min((std::int64_t{1} << 16) / rows_per_task, (std::int64_t{1} << 23) / rows_per_task / k);
    panels_per_task = std::clamp<std::int64_t>(columns * panels / n, 1, panels);
  }
  std::int64_t row_tasks() const noexcept { return (rows + rows_per_task - 1) / rows_per_task; }
  std::int64_t count() const noexcept { return row_tasks() * ((panels + panels_per_task - 1) / panels_per_task); }
};

inline void on_packed(const call& c) noexcept {
  const auto& right = *std::launder(reinterpret_cast<const packed_right*>(c.packed));
  const matmul_impl::matrix b(c.in[1], false);
  const std::int64_t n = b.columns, k = b.rows, rows = c.in[0].count() / k;
  const scratch_layout memory(c, rows, n, k);
  auto* const start = reinterpret_cast<std::int32_t*>(c.scratch);
  auto* const zeros = reinterpret_cast<std::int32_t*>(c.scratch + memory.columns);
  const column_values real(c, c.scratch + 2 * memory.columns, memory.columns, n);
  auto* const row_sums = reinterpret_cast<std::int32_t*>(c.scratch + memory.row_sums);
  const std::int32_t zero = moved_input_zero(c.in[0], c.in[2]);
  bool corrects = false;
  for (std::int64_t j = 0; j < n; ++j) {
    start[j] = wrapping_product(-zero, right.sums[j]);
    zeros[j] = moved_weight_zero(c.in[1], c.in[3], j);
    corrects = corrects || zeros[j] != 0;
  }
  for (std::int64_t j = n; j < static_cast<std::int64_t>(memory.columns / 4); ++j) start[j] = 0;

  const bool in_place = reads_in_place(c, k), is_signed = c.in[0].type == dtype::s8;
  const std::int64_t step = in_place ? k : static_cast<std::int64_t>(round_up(static_cast<std::size_t>(k), 4));
  auto* const copy = reinterpret_cast<std::uint8_t*>(c.scratch + memory.copy);
  if (!in_place || corrects)
    for_runs(c.exec, rows, row_grain(k / 8), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::byte* const from = c.in[0].data + r * k;
        if (!in_place) {
          move_up(from, is_signed, copy + r * step, k);
          std::fill(copy + r * step + k, copy + (r + 1) * step, std::uint8_t{0});
        }
        if (!corrects) continue;
        const auto* const x = in_place ? reinterpret_cast<const std::uint8_t*>(from) : copy + r * step;
        std::int32_t sum = 0;
        with_avx2([ x, k, out = &sum ]() __attribute__((always_inline)) {
          std::int32_t s = 0;
          for (std::int64_t i = 0; i < k; ++i) s += x[i];
          *out = s;
        });
        row_sums[r] = sum - static_cast<std::int32_t>(k) * zero;
      }
    });

  const tensor_view<const std::uint8_t> x{in_place ? c.in[0].as<const std::uint8_t>() : copy,
                                          {static_cast<std::int32_t>(rows), 1, static_cast<std::int32_t>(k)},
                                          step,
                                          step};
  const tensor_view<std::int32_t> y{reinterpret_cast<std::int32_t*>(c.out[0].data),
                                    {static_cast<std::int32_t>(rows), 1, static_cast<std::int32_t>(n)},
                                    n,
                                    n};
  const task_grid grid(rows, n, k, right.product.panel_count);
  for_runs(c.exec, grid.count(), 1, [&](std::int64_t t, std::int64_t) {
    const std::int64_t r0 = t % grid.row_tasks() * grid.rows_per_task, r1 = std::min(r0 + grid.rows_per_task, rows);
    const std::int64_t p0 = t / grid.row_tasks() * grid.panels_per_task,
                       p1 = std::min(p0 + grid.panels_per_task, grid.panels);
    conv_packed part = right.product;
    std::int64_t n0 = 0, n1 = n;
    if (grid.panels_per_task < grid.panels) {
      part.panels += p0;
      part.panel_count = static_cast<std::int32_t>(p1 - p0);
      n0 = part.panels[0].channel;
      n1 = std::min<std::int64_t>(n, part.panels[p1 - p0 - 1].channel + part.panels[p1 - p0 - 1].channels);
    }
    conv_rows_s32(part, start, x, y, static_cast<std::int32_t>(r0), static_cast<std::int32_t>(r1));
    for (std::int64_t r = r0; r < r1; ++r) {
      std::byte* const words = c.out[0].data + (r * n + n0) * 4;
      if (corrects) take_off(words, zeros + n0, row_sums[r], n1 - n0);
      if (real.scale != nullptr)
        to_real(words, real.scale + n0, real.bias != nullptr ? real.bias + n0 : nullptr, n1 - n0);
    }
  });
}

/// Nothing is packed ahead, or each row of a has a zero point of its own.
inline void unpacked(const call& c) noexcept {
  const std::int64_t n = c.out[0].dims[c.out[0].rank - 1u], k = c.in[0].dims[c.in[0].rank - 1u];
  if (c.out[0].count() == 0) return;
  const scratch_layout memory(c, c.out[0].count() / n, n, k);
  const column_values real(c, c.scratch + 2 * memory.columns, memory.columns, n);
  exact_product product(c, c.scratch + round_up(memory.bytes, 64));
  product.run([&](std::int64_t row, std::int64_t first, std::int64_t count) {
    if (real.scale == nullptr) return;
    to_real(c.out[0].data + (row * n + first) * 4, real.scale + first,
            real.bias != nullptr ? real.bias + first : nullptr, count);
  });
}

}  // namespace matmul_integer_impl

inline std::size_t nd_matmul_integer_scratch(const call& c) noexcept {
  const std::int64_t n = c.out[0].dims[c.out[0].rank - 1u], k = c.in[0].dims[c.in[0].rank - 1u];
  const std::size_t bytes = matmul_integer_impl::scratch_layout(c, n == 0 ? 0 : c.out[0].count() / n, n, k).bytes;
  if (matmul_integer_impl::on_kernels(c)) return bytes;
  return round_up(bytes, 64) + matmul_integer_impl::exact_product::bytes(c);
}

inline std::size_t nd_matmul_integer_packed_bytes(const call& c) noexcept {
  const matmul_impl::matrix b(c.in[1], false);
  if (matmul_impl::batches(c.in[1]) != 1 || b.rows < 1 || b.columns < 1 || c.in[0].count() == 0) return 0;
  if (c.in[0].count() / b.rows > std::int64_t{1} << 24) return 0;  // rows are counted in s32
  return round_up(sizeof(matmul_integer_impl::packed_right), 64) + integer_impl::word_bytes(b.columns) +
         conv_pack_bytes(matmul_integer_impl::geometry_of(b), c.level);
}

/// Bytes of scratch that nd_matmul_integer_pack() needs.
inline std::size_t nd_matmul_integer_pack_scratch(const call& c) noexcept {
  return static_cast<std::size_t>(c.in[1].count());
}

inline void nd_matmul_integer_pack(const call& c, std::byte* memory) noexcept {
  const matmul_impl::matrix b(c.in[1], false);
  auto* const w8 = reinterpret_cast<std::int8_t*>(c.scratch);
  auto& right = *::new (memory) matmul_integer_impl::packed_right;
  memory += round_up(sizeof right, 64);
  auto* const sums = reinterpret_cast<std::int32_t*>(memory);
  right.sums = sums;
  for (std::int64_t j = 0; j < b.columns; ++j) {
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < b.rows; ++i) {
      w8[j * b.rows + i] = integer_impl::moved_weight(c.in[1], i * b.columns + j);
      sum += w8[j * b.rows + i];
    }
    sums[j] = sum;
  }
  const auto step = static_cast<std::ptrdiff_t>(round_up(static_cast<std::size_t>(b.rows), 4));
  right.product = conv_pack(matmul_integer_impl::geometry_of(b), c.level, w8, step, step,
                            memory + integer_impl::word_bytes(b.columns));
}

/// Inputs: a (.., M, K), b (.., K, N), zero points of a (one or M) and b (one or N), scale (one or N), bias (one or N).
/// The exact s32, or with a scale f32: float(s32) * scale + bias.
inline void nd_matmul_integer(const call& c) noexcept {
  if (matmul_integer_impl::on_kernels(c)) return matmul_integer_impl::on_packed(c);
  matmul_integer_impl::unpacked(c);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
