// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/copy_floats.hpp"
#include "dsmm/kernels/nd/gemm_f32/generic.hpp"

/// f32 matrix products for convolutions and matrix multiplications: rows packed once, columns packed block by block.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// A variant as data: shape of its tile, and a tile for every number of rows up to `rows`: for whole panels, for those
/// that reach beyond c, and for those of which half is enough.
struct gemm_kernel {
  std::int64_t rows, columns;
  const gemm_impl::tile_function *all, *some, *half;
  gemm_impl::pack_function pack;

  gemm_impl::tile_function tile(std::int64_t tile_rows, std::int64_t count) const noexcept {
    return (count == columns ? all : 2 * count <= columns ? half : some)[tile_rows - 1];
  }
};

/// The variant that a machine with `level` runs.
const gemm_kernel& gemm_kernel_for(isa level) noexcept;

/// Steps of k whose columns are packed at once, and columns of a task: 64 KiB of packed columns lie on the stack and
/// stay in the second cache, a panel of them in the first, while all rows pass by.
inline constexpr std::int64_t gemm_depth = 256, gemm_columns = 64, gemm_most_columns = 512;

/// What suits a product beside its extents.
struct gemm_form {
  /// Steps of k between two visits of c. Columns that lie packed need no place on the stack, and a panel that comes
  /// from the second cache does not slow a tile, but c does: 197 x 384 x 1536 1.59 ms with 256, 1.47 with 768
  /// (AVX-512).
  std::int64_t depth = gemm_depth;
  /// Tiles are finished beside c, then copied: its rows may lie a multiple of 4096 bytes apart, all in one place of the
  /// first cache. For products of one visit that are long enough to pay for the copy.
  bool apart = false;
  /// What the task after this one reads, which may come from far.
  gemm_impl::later next{};

  static constexpr gemm_form packed(gemm_impl::later next) noexcept { return {768, true, next}; }
};

/// Columns of a task when k is short: half a first cache of them, so that few rows of c are written at a time, each far
/// enough for the machine to fetch ahead (16 -> 96 channels of 112 x 112: 0.67 ms, 0.89 with 64; Sapphire Rapids).
inline std::int64_t gemm_columns_of(std::int64_t k) noexcept {
  return std::clamp(8192 / std::max<std::int64_t>(k, 1) / 64 * 64, gemm_columns, gemm_most_columns);
}

/// Floats that gemm_pack_rows() writes for m rows of depth k.
inline std::int64_t gemm_packed_rows(const gemm_kernel& v, std::int64_t m, std::int64_t k) noexcept {
  return (m + v.rows - 1) / v.rows * v.rows * k;
}

/// Row r, step i of the left operand is a[r * row + i * step]; panel after panel. What is missing in the last panel is
/// not written: no tile reads it.
inline void gemm_pack_rows(const gemm_kernel& v, const float* a, std::ptrdiff_t row, std::ptrdiff_t step,
                           std::int64_t m, std::int64_t k, float* packed) noexcept {
  for (std::int64_t p = 0; p < m; p += v.rows, packed += v.rows * k) {
    const std::int64_t rows = std::min(v.rows, m - p);
    if (step == 1 && k != 0) {
      v.pack(a + p * row, row, rows, k, packed);
      continue;
    }
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t r = 0; r < rows; ++r) packed[i * v.rows + r] = a[(p + r) * row + i * step];
  }
}

/// Where a panel of the right operand lies: `pitch` floats from one step of k to the next.
struct gemm_panel {
  const float* data;
  std::ptrdiff_t pitch;
};

/// The rows [m0, m1) (m0 a multiple of the tile's rows) and columns [n0, n1) of c = a * b.
/// packed_rows  from gemm_pack_rows() for all rows
/// columns(k0, steps, n, count, to)  the gemm_panel b[k0 .. k0 + steps)[n .. n + count), v.columns values to a step
/// that
///   may be read; it may fill `to` or say where they lie already
/// finish(m, rows, n, count, at, row)  called once for each tile of c when its sums are complete; they lie at `at`, a
/// row `row` floats behind the one before
template <class Columns, class Finish>
void gemm(const gemm_kernel& v, const float* packed_rows, std::int64_t m0, std::int64_t m1, std::int64_t n0,
          std::int64_t n1, std::int64_t k, float* c, std::ptrdiff_t ldc, const Columns& columns, const Finish& finish,
          gemm_form form = {}) noexcept {
  alignas(64) float block[gemm_depth * gemm_columns], sums[gemm_impl::largest_tile];
  const std::int64_t most = gemm_columns_of(k);
  const bool apart = form.apart && k <= form.depth && k >= 128;
  if (form.next.at == nullptr) form.next = {packed_rows, 0};
  for (std::int64_t n = n0; n < n1; n += most) {
    const std::int64_t width = std::min(most, n1 - n);
    std::int64_t k0 = 0;
    do {
      const std::int64_t steps = std::min(form.depth, k - k0);
      const bool last = k0 + steps >= k;
      gemm_panel panels[gemm_most_columns / 16];
      for (std::int64_t j = 0, p = 0; j < width; j += v.columns, ++p)
        panels[p] = columns(k0, steps, n + j, std::min(v.columns, width - j),
                            form.depth > gemm_depth ? nullptr : block + p * steps * v.columns);
      for (std::int64_t m = m0; m < m1; m += v.rows) {
        const std::int64_t rows = std::min(v.rows, m1 - m);
        const float* const a = packed_rows + m * k + k0 * v.rows;
        for (std::int64_t j = 0, p = 0; j < width; j += v.columns, ++p) {
          const std::int64_t count = std::min(v.columns, width - j);
          float* const to = c + m * ldc + n + j;
          float* const at = apart ? sums : to;
          const std::ptrdiff_t row = apart ? v.columns : ldc;
          v.tile(rows, count)(a, panels[p].data, panels[p].pitch, static_cast<std::size_t>(steps), at, row, k0 == 0,
                              count, form.next);
          form.next.at += form.next.step * steps;
          if (last) finish(m, rows, n + j, count, at, row);
          if (!apart) continue;
          for (std::int64_t r = 0; r < rows; ++r) copy_floats(to + r * ldc, sums + r * v.columns, count);
        }
      }
      k0 += steps;
    } while (k0 < k);
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd

#if !DSMM_COMPILED
#include "dsmm/kernels/nd/gemm_f32.inl.hpp"
#endif
