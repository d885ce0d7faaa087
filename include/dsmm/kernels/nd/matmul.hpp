// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/nest.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/kernels/nd/unary_rows.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Matrix products over broadcast batches: y = act(alpha * op(a) op(b) + beta * c).
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace matmul_impl {

/// One matrix as it is stored: element (row, column) at row * row_step + column * column_step.
struct matrix {
  std::int64_t rows, columns, row_step, column_step;

  matrix(const view& x, bool transposed) noexcept {
    const std::int64_t r = x.dims[x.rank - 2u], c = x.dims[x.rank - 1u];
    rows = transposed ? c : r;
    columns = transposed ? r : c;
    row_step = transposed ? 1 : c;
    column_step = transposed ? c : 1;
  }
};

/// Where matrix number `batch` of the output finds its operand.
inline std::int64_t batch_offset(const view& x, const view& y, std::int64_t batch) noexcept {
  const extent_list steps = broadcast_strides(x, y);
  std::int64_t at = 0;
  for (std::size_t i = y.rank - 2u; i-- > 0; batch /= y.dims[i]) at += batch % y.dims[i] * steps[i];
  return at;
}

inline std::int64_t batches(const view& x) noexcept { return x.count(0, x.rank - 2u); }

/// alpha, beta * c and the activation over a tile of y.
struct finish {
  const view* c = nullptr;
  extent_list c_steps{};
  std::size_t rank = 0;
  float alpha = 1.0f, beta = 1.0f, act_alpha = 0.0f, act_beta = 0.0f;
  unary_fn act = unary_fn::identity;

  explicit finish(const call& k) noexcept
      : alpha(k.attribute_f32(2)),
        beta(k.attribute_f32(3)),
        act_alpha(k.attribute_f32(5)),
        act_beta(k.attribute_f32(6)),
        act(k.choice<unary_fn>(4)) {
    rank = k.out[0].rank;
    if (k.in[2]) c = &k.in[2], c_steps = broadcast_strides(k.in[2], k.out[0]);
  }

  /// Whether all matrices of y can be seen as the rows of one; then it does.
  bool flatten(const view& y) noexcept {
    std::int64_t step = 0, rows = 1;
    for (std::size_t i = rank - 1; i-- > 0; rows *= y.dims[i]) {
      if (y.dims[i] == 1) continue;
      if (rows == 1) step = c_steps[i];
      else if (c_steps[i] != step * rows) return false;
    }
    c_steps[rank - 2] = step;
    return true;
  }

  /// y[r][j] for r < rows, j < count; `batch` and (m, n) say where the tile lies.
  template <class T>
  void apply(const view& y, std::int64_t batch, std::int64_t m, std::int64_t rows, std::int64_t n, std::int64_t count,
             T* at, std::ptrdiff_t row) const noexcept {
    std::int64_t offset = 0;
    if (c != nullptr) {
      for (std::size_t i = rank - 2; i-- > 0; batch /= y.dims[i]) offset += batch % y.dims[i] * c_steps[i];
      offset += m * c_steps[rank - 2] + n * c_steps[rank - 1];
    }
    const std::int64_t step = c != nullptr ? c_steps[rank - 1] : 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      T* const out = at + r * row;
      if constexpr (std::is_floating_point_v<T>) {
        if (alpha != 1.0f)
          for (std::int64_t j = 0; j < count; ++j) out[j] *= static_cast<T>(alpha);
      }
      if (c != nullptr) {
        const T* const add = c->as<const T>() + offset + r * c_steps[rank - 2];
        if constexpr (std::is_floating_point_v<T>) {
          with_avx2([ out, add, step, count, factor = static_cast<T>(beta) ]() __attribute__((always_inline)) {
            if (factor == T{1} && step == 1)
              for (std::int64_t j = 0; j < count; ++j) out[j] += add[j];
            else
              for (std::int64_t j = 0; j < count; ++j) out[j] += factor * add[j * step];
          });
        } else {
          for (std::int64_t j = 0; j < count; ++j) out[j] = binary_impl::plus(out[j], add[j * step]);
        }
      }
      if constexpr (std::is_same_v<T, double>)
        if (act != unary_fn::identity) unary_real(act, act_alpha, act_beta, out, out, static_cast<std::size_t>(count));
    }
    if constexpr (std::is_same_v<T, float>)
      if (act != unary_fn::identity) unary_rows(act, act_alpha, act_beta, at, row, rows, count);
  }
};

/// steps x v.columns values of b at (k0, n), zeros behind `count`.
inline void pack_columns(const matrix& b, const float* data, std::int64_t k0, std::int64_t steps, std::int64_t n,
                         std::int64_t count, std::int64_t columns, float* to) noexcept {
  const float* const from = data + k0 * b.row_step + n * b.column_step;
  if (count < columns) std::fill_n(to, steps * columns, 0.0f);
  if (b.column_step == 1) {
    for (std::int64_t k = 0; k < steps; ++k)
      std::memcpy(to + k * columns, from + k * b.row_step, static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  for (std::int64_t k = 0; k < steps; k += 16)  // blocks of 16: a transpose that keeps its lines in the first cache
    for (std::int64_t j = 0; j < count; ++j)
      for (std::int64_t i = k; i < std::min(k + 16, steps); ++i)
        to[i * columns + j] = from[i * b.row_step + j * b.column_step];
}

/// How to multiply by packed columns for the task at (m0, n0) of an m x n product: its tiles share the lines of the
/// next 64 columns among all rows' tiles. Weights of many layers come from far (twenty of 1024 x 1024 in turn, 49
/// rows: 1.10 ms before, 0.93 with tiles beside c, 0.74 with this; AVX-512). A few rows read no faster for being told.
inline gemm_form packed_form(const gemm_kernel& v, const float* packed, std::int64_t m, std::int64_t n, std::int64_t k,
                             std::int64_t m0, std::int64_t n0) noexcept {
  if (m < 8 || n0 + gemm_columns >= n) return gemm_form::packed({});
  const std::int64_t in_row = gemm_columns / v.columns, tiles = (m + v.rows - 1) / v.rows * in_row;
  const std::int64_t step = (gemm_columns + tiles - 1) / tiles;
  return gemm_form::packed({packed + (n0 + gemm_columns) * k + m0 / v.rows * in_row * step * k, step});
}

inline void product_f32(const call& c) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const matrix a(c.in[0], c.attribute(0) != 0), b(c.in[1], c.attribute(1) != 0);
  const view& y = c.out[0];
  const std::int64_t n = b.columns, k = a.columns;
  float* const rows = reinterpret_cast<float*>(c.scratch);
  if (y.count() == 0) return;
  finish finisher(c);
  std::int64_t m = a.rows, count = batches(y), left_count = batches(c.in[0]);
  // One right matrix for many short left ones: a transformer's (197, 1, 384) would read its weights 197 times.
  if (count > 1 && left_count == count && batches(c.in[1]) == 1 && c.attribute(0) == 0 && finisher.flatten(y))
    m *= count, count = left_count = 1;
  const std::int64_t packed = gemm_packed_rows(v, m, k), a_size = m * k, panels = (m + v.rows - 1) / v.rows;
  for_runs(c.exec, a_size == 0 ? 0 : left_count * panels, row_grain(v.rows * k),
           [&](std::int64_t begin, std::int64_t end) {
             for (std::int64_t i = begin; i < end; ++i) {
               const std::int64_t batch = i / panels, first = i % panels * v.rows;
               gemm_pack_rows(v, c.in[0].as<const float>() + batch * a_size + first * a.row_step, a.row_step,
                              a.column_step, std::min(v.rows, m - first), k, rows + batch * packed + first * k);
             }
           });
  const std::int64_t column_tasks = (n + gemm_columns - 1) / gemm_columns;
  const std::int64_t row_run = std::max<std::int64_t>(v.rows * 8, 1), row_tasks = (m + row_run - 1) / row_run;
  const std::int64_t tasks = count * column_tasks * row_tasks;
  for_runs(c.exec, tasks, row_grain(row_run * gemm_columns * k / 8), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t batch = t / (column_tasks * row_tasks), column = t / row_tasks % column_tasks;
      const std::int64_t m0 = t % row_tasks * row_run, n0 = column * gemm_columns;
      const float* const left = rows + (a_size == 0 ? 0 : batch_offset(c.in[0], y, batch) / a_size) * packed;
      const float* const right = c.in[1].as<const float>() + batch_offset(c.in[1], y, batch);
      float* const out = y.as<float>() + batch * m * n;
      const auto columns = [&](std::int64_t k0, std::int64_t steps, std::int64_t at, std::int64_t width,
                               float* to) -> gemm_panel {
        if (c.packed != nullptr) return {reinterpret_cast<const float*>(c.packed) + at * k + k0 * v.columns, v.columns};
        if (b.column_step == 1 && width == v.columns) return {right + k0 * b.row_step + at, b.row_step};
        pack_columns(b, right, k0, steps, at, width, v.columns, to);
        return {to, v.columns};
      };
      gemm(
          v, left, m0, std::min(m0 + row_run, m), n0, std::min(n0 + gemm_columns, n), k, out, n, columns,
          [&](std::int64_t mt, std::int64_t tile_rows, std::int64_t nt, std::int64_t width, float* at,
              std::ptrdiff_t row) { finisher.apply(y, batch, mt, tile_rows, nt, width, at, row); },
          c.packed != nullptr ? packed_form(v, reinterpret_cast<const float*>(c.packed), m, n, k, m0, n0)
                              : gemm_form{});
    }
  });
}

/// f64 and integers: row by row, k ascending.
template <class T>
void product(const call& c) noexcept {
  const matrix a(c.in[0], c.attribute(0) != 0), b(c.in[1], c.attribute(1) != 0);
  const view& y = c.out[0];
  const std::int64_t m = a.rows, n = b.columns, k = a.columns;
  const finish finisher(c);
  for_runs(c.exec, batches(y) * m, row_grain(n * k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t batch = r / m, row = r % m;
      const T* const left = c.in[0].as<const T>() + batch_offset(c.in[0], y, batch) + row * a.row_step;
      const T* const right = c.in[1].as<const T>() + batch_offset(c.in[1], y, batch);
      T* const out = y.as<T>() + r * n;
      std::fill_n(out, n, T{});
      for (std::int64_t i = 0; i < k; ++i) {
        const T factor = left[i * a.column_step];
        for (std::int64_t j = 0; j < n; ++j) {
          const T other = right[i * b.row_step + j * b.column_step];
          if constexpr (std::is_same_v<T, double>) out[j] = math64::fma(factor, other, out[j]);
          else out[j] = binary_impl::plus(out[j], binary_impl::times(factor, other));
        }
      }
      finisher.apply(y, batch, row, 1, 0, n, out, n);
    }
  });
}

}  // namespace matmul_impl

inline std::size_t nd_matmul_scratch(const call& c) noexcept {
  if (c.in[0].type != dtype::f32) return 0;
  const matmul_impl::matrix a(c.in[0], c.attribute(0) != 0);
  const std::int64_t packed = gemm_packed_rows(gemm_kernel_for(c.level), a.rows, a.columns);
  return static_cast<std::size_t>(matmul_impl::batches(c.in[0]) * packed) * sizeof(float);
}

/// A constant right matrix is packed once; a batch of them is left as it is.
inline std::size_t nd_matmul_packed_bytes(const call& c) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const matmul_impl::matrix b(c.in[1], c.attribute(1) != 0);
  if (c.in[1].type != dtype::f32 || matmul_impl::batches(c.in[1]) != 1) return 0;
  return static_cast<std::size_t>((b.columns + v.columns - 1) / v.columns * v.columns * b.rows) * sizeof(float);
}
inline void nd_matmul_pack(const call& c, std::byte* memory) noexcept {
  const gemm_kernel& v = gemm_kernel_for(c.level);
  const matmul_impl::matrix b(c.in[1], c.attribute(1) != 0);
  for (std::int64_t n = 0; n < b.columns; n += v.columns)
    matmul_impl::pack_columns(b, c.in[1].as<const float>(), 0, b.rows, n, std::min(v.columns, b.columns - n), v.columns,
                              reinterpret_cast<float*>(memory) + n * b.rows);
}

/// Attributes: trans_a, trans_b, alpha, beta, activation with its alpha and beta. Inputs: a, b, c.
inline void nd_matmul(const call& c) noexcept {
  switch (c.in[0].type) {
    case dtype::f32: return matmul_impl::product_f32(c);
    case dtype::f64: return matmul_impl::product<double>(c);
    case dtype::s32:
    case dtype::u32: return matmul_impl::product<std::uint32_t>(c);  // wrapping makes them the same
    default: return matmul_impl::product<std::uint64_t>(c);
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
