// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/integer.hpp"
#include "dsmm/kernels/nd/matmul.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// Products of 8-bit matrices of which neither is packed ahead of a run, as attention has them: on the f32 tiles, which
/// add up 256 products without a rounding, as 256 * 255^2 < 2^24.
namespace dsmm::inline DSMM_ABI::kernels::nd::matmul_integer_impl {

/// x[first + i] less its zero point as f32; step 0: one zero point for all, 1: one for each.
inline void widen(const view& x, std::int64_t first, std::int64_t n, const std::int32_t* zeros, std::ptrdiff_t step,
                  float* to) noexcept {
  const auto each = [&](const auto* from) {
    with_avx2([=]() __attribute__((always_inline)) {
      if (step == 0) {
        const std::int32_t zero = *zeros;
        for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i] - zero);
      } else {
        for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i] - zeros[i]);
      }
    });
  };
  if (x.type == dtype::s8) each(x.as<const std::int8_t>() + first);
  else each(x.as<const std::uint8_t>() + first);
}

/// A product in f32 and what surrounds it.
class exact_product {
public:
  static constexpr std::int64_t depth = 256;  ///< products that one f32 sum holds exactly

  /// memory  bytes() of it, at a multiple of 64.
  exact_product(const call& c, std::byte* memory) noexcept
      : c_(c),
        tile_(gemm_kernel_for(c.level)),
        a_(c.in[0], false),
        b_(c.in[1], false),
        left_(matmul_impl::batches(c.in[0])),
        wide_(reinterpret_cast<float*>(memory)),
        packed_(wide_ + c.in[0].count()) {}

  static std::size_t bytes(const call& c) noexcept {
    const matmul_impl::matrix a(c.in[0], false);
    const std::int64_t packed = gemm_packed_rows(gemm_kernel_for(c.level), a.rows, a.columns);
    return static_cast<std::size_t>(c.in[0].count() + matmul_impl::batches(c.in[0]) * packed) * sizeof(float);
  }

  /// done(row of y, first column, columns)  called for each finished piece of y's rows, which then are s32.
  template <class Done>
  void run(const Done& done) noexcept {
    pack_left();
    const view& y = c_.out[0];
    const std::int64_t m = a_.rows, n = b_.columns, run = tile_.rows * (most_rows / tile_.rows);
    const std::int64_t row_tasks = (m + run - 1) / run, column_tasks = (n + gemm_columns - 1) / gemm_columns;
    for_runs(c_.exec, matmul_impl::batches(y) * row_tasks * column_tasks, 1, [&](std::int64_t t, std::int64_t) {
      const std::int64_t batch = t / (row_tasks * column_tasks), m0 = t % row_tasks * run,
                         n0 = t / row_tasks % column_tasks * gemm_columns;
      block(batch, m0, std::min(m0 + run, m), n0, std::min(n0 + gemm_columns, n));
      for (std::int64_t r = m0; r < std::min(m0 + run, m); ++r) done(batch * m + r, n0, std::min(gemm_columns, n - n0));
    });
  }

private:
  static constexpr std::int64_t most_rows = 112;  ///< of a task: 28 KB of sums

  void pack_left() noexcept {
    const std::int64_t m = a_.rows, k = a_.columns, packed = gemm_packed_rows(tile_, m, k);
    const std::int64_t panels = (m + tile_.rows - 1) / tile_.rows;
    for_runs(c_.exec, left_ * panels, row_grain(tile_.rows * k), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t batch = i / panels, first = i % panels * tile_.rows, rows = std::min(tile_.rows, m - first);
        for (std::int64_t r = first; r < first + rows; ++r) {
          const std::int32_t zero = integer_impl::zero_at(c_.in[2], r);
          widen(c_.in[0], (batch * m + r) * k, k, &zero, 0, wide_ + (batch * m + r) * k);
        }
        for (std::int64_t k0 = 0; k0 < k; k0 += depth) {  // panels of each part of the depth follow each other
          const std::int64_t steps = std::min(depth, k - k0);
          gemm_pack_rows(tile_, wide_ + (batch * m + first) * k + k0, k, 1, rows, steps,
                         packed_ + batch * packed + gemm_packed_rows(tile_, m, k0) + first * steps);
        }
      }
    });
  }

  void block(std::int64_t batch, std::int64_t m0, std::int64_t m1, std::int64_t n0, std::int64_t n1) noexcept {
    const view& y = c_.out[0];
    const std::int64_t m = a_.rows, n = b_.columns, k = a_.columns;
    std::int32_t zeros[gemm_columns];
    for (std::int64_t j = n0; j < n1; ++j) zeros[j - n0] = integer_impl::zero_at(c_.in[3], j);
    const std::int64_t right = matmul_impl::batch_offset(c_.in[1], y, batch);
    const float* const left = packed_ + (m * k == 0 ? 0 : matmul_impl::batch_offset(c_.in[0], y, batch) / (m * k)) *
                                            gemm_packed_rows(tile_, m, k);
    std::int32_t* const out = y.as<std::int32_t>() + batch * m * n;
    alignas(64) float sums[most_rows * gemm_columns];
    if (k == 0)
      for (std::int64_t r = m0; r < m1; ++r) std::fill(out + r * n + n0, out + r * n + n1, 0);
    for (std::int64_t base = 0; base < k; base += depth) {
      const std::int64_t steps = std::min(depth, k - base);
      const auto columns = [&](std::int64_t k0, std::int64_t count, std::int64_t at, std::int64_t width, float* to) {
        for (std::int64_t i = 0; i < count; ++i) {
          float* const row = to + i * tile_.columns;
          widen(c_.in[1], right + (base + k0 + i) * n + n0 + at, width, zeros + at, 1, row);
          std::fill(row + width, row + tile_.columns, 0.0f);
        }
        return gemm_panel{to, tile_.columns};
      };
      // Rows from m0 on as rows from 0 on: what gemm() writes starts at the block's first element.
      gemm(tile_, left + gemm_packed_rows(tile_, m, base) + m0 * steps, 0, m1 - m0, 0, n1 - n0, steps, sums,
           gemm_columns, columns,
           [&](std::int64_t row, std::int64_t rows, std::int64_t at, std::int64_t width, const float* from,
               std::ptrdiff_t step) {
             for (std::int64_t r = 0; r < rows; ++r)
               add(from + r * step, out + (m0 + row + r) * n + n0 + at, width, base == 0);
           });
    }
  }

  static void add(const float* sums, std::int32_t* y, std::int64_t n, bool first) noexcept {
    with_avx2([=]() __attribute__((always_inline)) {
      if (first)
        for (std::int64_t j = 0; j < n; ++j) y[j] = static_cast<std::int32_t>(sums[j]);
      else
        for (std::int64_t j = 0; j < n; ++j) y[j] += static_cast<std::int32_t>(sums[j]);
    });
  }

  const call& c_;
  const gemm_kernel& tile_;
  const matmul_impl::matrix a_, b_;
  const std::int64_t left_;  ///< left matrices
  float *const wide_, *const packed_;
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::matmul_integer_impl
