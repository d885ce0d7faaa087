// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"

/// Transposes of planes, y[i * columns + j] = x[i * row_step + j * column_step].
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace transpose_impl {

/// Eight words. The compiler makes two registers of it where it has none so wide.
using words = std::uint32_t __attribute__((vector_size(32)));

/// to[j] row of 8, from eight rows x + j * column_step: the transpose of 8 x 8 words by three rounds of interleaving.
[[gnu::always_inline]] inline void eight_by_eight(const std::uint32_t* x, std::int64_t column_step, std::uint32_t* y,
                                                  std::int64_t columns) noexcept {
  words a[8], b[8];
  for (int j = 0; j < 8; ++j) std::memcpy(&a[j], x + j * column_step, sizeof a[j]);
  for (int j = 0; j < 8; j += 2) {
    b[j] = __builtin_shufflevector(a[j], a[j + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[j + 1] = __builtin_shufflevector(a[j], a[j + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int j = 0; j < 8; j += 4)
    for (int k = 0; k < 2; ++k) {
      a[j + 2 * k] = __builtin_shufflevector(b[j + k], b[j + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      a[j + 2 * k + 1] = __builtin_shufflevector(b[j + k], b[j + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int j = 0; j < 4; ++j) {
    b[j] = __builtin_shufflevector(a[j], a[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    b[j + 4] = __builtin_shufflevector(a[j], a[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int j = 0; j < 8; ++j) std::memcpy(y + j * columns, &b[j], sizeof b[j]);
}

/// Rows of `Columns` values each from planes of its own, as pictures have them: the loop runs along the planes.
template <std::int64_t Columns, class T>
[[gnu::always_inline]] inline void interleave(const T* x, std::int64_t column_step, T* y, std::int64_t rows) noexcept {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < Columns; ++j) y[i * Columns + j] = x[i + j * column_step];
}

}  // namespace transpose_impl

/// Reads down columns: blocks of 16 x 16 keep the lines that it touches in the first cache.
template <class T>
[[gnu::always_inline]] inline void transpose_blocks(const T* x, std::int64_t row_step, std::int64_t column_step, T* y,
                                                    std::int64_t rows, std::int64_t columns,
                                                    std::int64_t stride) noexcept {
  constexpr std::int64_t block = 16;
  for (std::int64_t r = 0; r < rows; r += block)
    for (std::int64_t c = 0; c < columns; c += block)
      for (std::int64_t i = r; i < std::min(r + block, rows); ++i)
        for (std::int64_t j = c; j < std::min(c + block, columns); ++j)
          y[i * stride + j] = x[i * row_step + j * column_step];
}

template <class T>
void transpose_plane(const T* x, std::int64_t row_step, std::int64_t column_step, T* y, std::int64_t rows,
                     std::int64_t columns) noexcept {
  if constexpr (sizeof(T) == 4) {
    if (row_step == 1 && (columns == 2 || columns == 3 || columns == 4)) {
      with_avx2([=]() __attribute__((always_inline)) {
        using transpose_impl::interleave;
        if (columns == 2) interleave<2>(x, column_step, y, rows);
        else if (columns == 3) interleave<3>(x, column_step, y, rows);
        else interleave<4>(x, column_step, y, rows);
      });
      return;
    }
    if (row_step == 1 && rows >= 8 && columns >= 8) {
      with_avx2([=]() __attribute__((always_inline)) {
        const std::int64_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
        for (std::int64_t c = 0; c < whole_columns; c += 8)
          for (std::int64_t r = 0; r < whole_rows; r += 8)
            transpose_impl::eight_by_eight(reinterpret_cast<const std::uint32_t*>(x) + r + c * column_step, column_step,
                                           reinterpret_cast<std::uint32_t*>(y) + r * columns + c, columns);
        transpose_blocks(x + whole_columns * column_step, row_step, column_step, y + whole_columns, whole_rows,
                         columns - whole_columns, columns);
        transpose_blocks(x + whole_rows, row_step, column_step, y + whole_rows * columns, rows - whole_rows, columns,
                         columns);
      });
      return;
    }
  }
  transpose_blocks(x, row_step, column_step, y, rows, columns, columns);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
