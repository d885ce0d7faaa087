// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/transpose_plane.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <type_traits>
#include <vector>

namespace nd = dsmm::kernels::nd;

TEST_CASE_TEMPLATE("a transposed plane, whatever its size and steps", T, std::uint8_t, std::uint32_t, std::uint64_t) {
  for (const std::int64_t rows : {1, 2, 3, 7, 8, 9, 16, 17, 41})
    for (const std::int64_t columns : {1, 2, 3, 4, 5, 8, 12, 15, 16, 33})
      for (const std::int64_t row_step : {1, 2}) {
        const std::int64_t column_step = rows * row_step + 3;
        std::vector<T> x(static_cast<std::size_t>(columns * column_step));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 7 + 1);
        std::vector<T> y(static_cast<std::size_t>(rows * columns + 8), T{99});
        nd::transpose_plane(x.data(), row_step, column_step, y.data(), rows, columns);
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < columns; ++j)
            CHECK(y[static_cast<std::size_t>(i * columns + j)] ==
                  x[static_cast<std::size_t>(i * row_step + j * column_step)]);
        for (std::int64_t i = 0; i < 8; ++i) CHECK(y[static_cast<std::size_t>(rows * columns + i)] == T{99});
      }
}
