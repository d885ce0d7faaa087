// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/matmul_nbits/generic.hpp"
#include "dsmm/kernels/nd/quantize.hpp"
#include "dsmm/kernels/nd/view.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/matmul_nbits/x86_avx2.hpp"
#include "dsmm/kernels/nd/matmul_nbits/x86_avx512.hpp"
#endif

/// f32 times weights of 2, 4 or 8 bits in blocks. The weights stay as small in memory; a product of many rows makes
/// them f32 panel by panel for gemm_f32, a single row reads them as they are.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using nbits_variants = kernel_list<nbits_impl::x86_avx512, nbits_impl::x86_avx2, nbits_impl::generic>;
#else
using nbits_variants = kernel_list<nbits_impl::generic>;
#endif

namespace nbits_impl {

struct kernel {
  expand_function expand;
  row_function row;
};

template <class V>
inline constexpr kernel kernel_of{&V::expand, &V::row};

inline const kernel& kernel_for(isa level) noexcept {
  return *nbits_variants::choose(level, []<class V>(std::type_identity<V>) -> const kernel* { return &kernel_of<V>; });
}

/// The operands of a call, for one weight at a time.
struct stored_weights {
  const view &b, &scales, &zeros, &blocks_of;
  std::int64_t k, n, bits, block, blocks, row_bytes, zero_bytes;

  explicit stored_weights(const call& c) noexcept
      : b(c.in[1]),
        scales(c.in[2]),
        zeros(c.in[3]),
        blocks_of(c.in[4]),
        k(c.attribute(0)),
        n(c.attribute(1)),
        bits(c.attribute(2)),
        block(c.attribute(3)),
        blocks((k + block - 1) / block),
        row_bytes(blocks * (block * bits / 8)),
        zero_bytes((blocks * bits + 7) / 8) {}

  std::uint32_t field(const view& from, std::int64_t row, std::int64_t i) const noexcept {
    return static_cast<std::uint32_t>(from.as<const std::uint8_t>()[row + i * bits / 8]) >> (i * bits % 8) &
           ((1u << bits) - 1);
  }
  std::uint32_t number(std::int64_t column, std::int64_t i) const noexcept { return field(b, column * row_bytes, i); }
  float scale(std::int64_t column, std::int64_t g) const noexcept {
    return quantize_impl::load(scales, column * blocks + g);
  }
  float zero(std::int64_t column, std::int64_t g) const noexcept {
    if (!zeros) return static_cast<float>(1 << (bits - 1));
    if (zeros.type == dtype::u8) return static_cast<float>(field(zeros, column * zero_bytes, g));
    return quantize_impl::load(zeros, column * blocks + g);
  }
  float weight(std::int64_t column, std::int64_t i) const noexcept {
    const std::int64_t g =
        blocks_of ? std::clamp<std::int64_t>(blocks_of.as<const std::int32_t>()[i], 0, blocks - 1) : i / block;
    return (static_cast<float>(number(column, i)) - zero(column, g)) * scale(column, g);
  }
};

/// Below so many rows each is a product of its own.
inline constexpr std::int64_t rows_of_gemm = 3;

/// Steps [k0, k0 + steps) of `width` columns from n on, as gemm_f32 wants them.
inline const float* write_columns(const kernel& v, const packed_weights& p, std::int64_t k0, std::int64_t steps,
                                  std::int64_t n, std::int64_t width, float* to) noexcept {
  for (std::int64_t k = k0; k < k0 + steps;) {
    const std::int64_t count = std::min(p.block - k % p.block, k0 + steps - k);
    v.expand(p, n / panel_columns, k, count, n % panel_columns, width, to + (k - k0) * width);
    k += count;
  }
  return to;
}

inline void add_bias(const view& bias, float* y, std::int64_t n, std::int64_t count) noexcept {
  if (!bias) return;
  const float* const add = bias.as<const float>() + n;
  for (std::int64_t j = 0; j < count; ++j) y[j] += add[j];
}

inline void by_rows(const call& c, const packed_weights& p, std::int64_t rows) noexcept {
  constexpr std::int64_t panels_per_task = 4, columns = panels_per_task * panel_columns;
  const kernel& v = kernel_for(c.level);
  const std::int64_t tasks = (p.panels() + panels_per_task - 1) / panels_per_task;
  for_runs(c.exec, rows * tasks, 1, [&](std::int64_t t, std::int64_t) {
    alignas(64) float sums[columns];
    const std::int64_t r = t / tasks, panel = t % tasks * panels_per_task, n = panel * panel_columns;
    v.row(p, c.in[0].as<const float>() + r * p.k, panel, std::min(panels_per_task, p.panels() - panel), sums);
    const std::int64_t count = std::min(columns, p.n - n);
    add_bias(c.in[5], sums, n, count);
    std::memcpy(c.out[0].as<float>() + r * p.n + n, sums, static_cast<std::size_t>(count) * sizeof(float));
  });
}

/// Columns as gemm_f32's function of that name, but what it returns is as wide as a panel.
template <class Columns>
void by_gemm(const call& c, std::int64_t rows, std::int64_t n, std::int64_t k, const Columns& columns) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  float* const left = reinterpret_cast<float*>(c.scratch);
  for_runs(c.exec, (rows + v.rows - 1) / v.rows, 1, [&](std::int64_t i, std::int64_t) {
    gemm_pack_rows(v, c.in[0].as<const float>() + i * v.rows * k, k, 1, std::min(v.rows, rows - i * v.rows), k,
                   left + i * v.rows * k);
  });
  const std::int64_t column_tasks = (n + gemm_columns - 1) / gemm_columns;
  const std::int64_t row_run = v.rows * 16, row_tasks = (rows + row_run - 1) / row_run;
  float* const y = c.out[0].as<float>();
  for_runs(c.exec, column_tasks * row_tasks, 1, [&](std::int64_t t, std::int64_t) {
    const std::int64_t m0 = t % row_tasks * row_run, n0 = t / row_tasks * gemm_columns;
    const auto panel = [&](std::int64_t k0, std::int64_t steps, std::int64_t at, std::int64_t count,
                           float* to) -> gemm_panel {
      return {columns(k0, steps, at, count, to), v.columns};
    };
    gemm(v, left, m0, std::min(m0 + row_run, rows), n0, std::min(n0 + gemm_columns, n), k, y, n, panel,
         [&](std::int64_t, std::int64_t tile_rows, std::int64_t at, std::int64_t count, float* sums,
             std::ptrdiff_t row) {
           for (std::int64_t r = 0; r < tile_rows; ++r) add_bias(c.in[5], sums + r * row, at, count);
         });
  });
}

}  // namespace nbits_impl

inline std::size_t nd_matmul_nbits_scratch(const call& c) noexcept {
  const std::int64_t k = c.attribute(0), rows = c.in[0].count() / k;
  if (c.packed != nullptr && rows < nbits_impl::rows_of_gemm) return 0;
  return static_cast<std::size_t>(gemm_packed_rows(gemm_kernel_for(c.level), rows, k)) * sizeof(float);
}

/// Weights whose blocks are named one by one stay as they are.
inline std::size_t nd_matmul_nbits_packed_bytes(const call& c) noexcept {
  using namespace nbits_impl;
  if (c.in[4]) return 0;
  const std::int64_t k = c.attribute(0), panels = (c.attribute(1) + panel_columns - 1) / panel_columns;
  const std::int64_t blocks = (k + c.attribute(3) - 1) / c.attribute(3);
  return round_up(sizeof(packed_weights), 64) +
         static_cast<std::size_t>(panels * (k * (c.attribute(2) == 8 ? 32 : 16) + 2 * blocks * panel_columns * 4));
}

inline void nd_matmul_nbits_pack(const call& c, std::byte* memory) noexcept {
  using namespace nbits_impl;
  const stored_weights from(c);
  auto& p = *::new (memory) packed_weights;
  p.k = from.k;
  p.n = from.n;
  p.block = from.block;
  p.wide = from.bits == 8;
  auto* const scale = reinterpret_cast<float*>(memory + round_up(sizeof p, 64));
  auto* const zero = scale + p.panels() * p.blocks() * panel_columns;
  auto* q = reinterpret_cast<std::uint8_t*>(zero + p.panels() * p.blocks() * panel_columns);
  p.scale = scale;
  p.zero = zero;
  p.q = q;
  p.one_zero = !p.wide;
  for (std::int64_t panel = 0; panel < p.panels(); ++panel)
    for (std::int64_t g = 0; g < p.blocks(); ++g)
      for (std::int64_t j = 0; j < panel_columns; ++j) {
        const std::int64_t column = panel * panel_columns + j, at = (panel * p.blocks() + g) * panel_columns + j;
        scale[at] = column < p.n ? from.scale(column, g) : 0.0f;
        zero[at] = column < p.n ? from.zero(column, g) : zero[0];
        p.one_zero = p.one_zero && zero[at] == zero[0];
      }
  for (int v = 0; v < 16; ++v) p.table[v] = static_cast<float>(v) - zero[0];
  for (std::int64_t panel = 0; panel < p.panels(); ++panel)
    for (std::int64_t i = 0; i < p.k; ++i, q += p.step_bytes())
      for (std::int64_t j = 0; j < panel_columns; ++j) {
        const std::int64_t column = panel * panel_columns + j;
        const std::uint32_t v = column < p.n ? from.number(column, i) : 0;
        if (p.wide) q[j] = static_cast<std::uint8_t>(v);
        else if (j < 16) q[j] = static_cast<std::uint8_t>(v);
        else q[j - 16] = static_cast<std::uint8_t>(q[j - 16] | v << 4);
      }
}

/// Attributes: k, n, bits, block. Inputs: a (.., K), b (N, blocks, bytes), scales (N, blocks), zero points (u8 packed
/// like b, row by row, or of a's type; absent: the middle), block of each k, bias (N).
/// y = sum over k of a * ((q - zero) * scale) + bias, the sum one chain of fused multiply-adds in ascending k.
inline void nd_matmul_nbits(const call& c) noexcept {
  using namespace nbits_impl;
  const std::int64_t k = c.attribute(0), n = c.attribute(1), rows = c.in[0].count() / k;
  const std::int64_t panel = gemm_kernel_for(c.level).columns;
  if (c.packed == nullptr) {
    const stored_weights w(c);
    return by_gemm(c, rows, n, k,
                   [&](std::int64_t k0, std::int64_t steps, std::int64_t at, std::int64_t count, float* to) {
                     for (std::int64_t i = 0; i < steps; ++i)
                       for (std::int64_t j = 0; j < panel; ++j)
                         to[i * panel + j] = j < count ? w.weight(at + j, k0 + i) : 0.0f;
                     return static_cast<const float*>(to);
                   });
  }
  const auto& p = *std::launder(reinterpret_cast<const packed_weights*>(c.packed));
  if (rows < rows_of_gemm) return by_rows(c, p, rows);
  const kernel& v = kernel_for(c.level);
  by_gemm(c, rows, n, k, [&](std::int64_t k0, std::int64_t steps, std::int64_t at, std::int64_t, float* to) {
    return write_columns(v, p, k0, steps, at, panel, to);
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
