// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/add_products.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

#include "dsmm/core/rng.hpp"

using namespace dsmm;
using namespace dsmm::convert;

namespace {

template <class T>
std::vector<std::vector<T>> random_rows(rng& r, std::size_t rows, std::size_t n) {
  std::vector<std::vector<T>> out(rows, std::vector<T>(n));
  for (std::vector<T>& row : out)
    for (T& v : row) v = static_cast<T>(r.uniform(-1.0f, 1.0f));
  return out;
}

/// y rows of n values plus products with x rows, against plain loops: equal bits.
template <class T>
void check(std::size_t y_rows, std::size_t x_rows, std::size_t n) {
  CAPTURE(y_rows);
  CAPTURE(x_rows);
  rng r(7);
  auto y = random_rows<T>(r, y_rows, n), wanted = y;
  const auto a = random_rows<T>(r, y_rows, x_rows), x = random_rows<T>(r, x_rows, n);
  std::vector<T*> to;
  std::vector<const T*> by, from;
  for (std::size_t i = 0; i < y_rows; ++i) {
    to.push_back(y[i].data()), by.push_back(a[i].data());
    for (std::size_t k = 0; k < x_rows; ++k)
      for (std::size_t j = 0; j < n; ++j) wanted[i][j] += a[i][k] * x[k][j];
  }
  for (const auto& row : x) from.push_back(row.data());
  quantize_impl::add_products<T>(to, by, from, n);
  CHECK(y == wanted);
}

}  // namespace

TEST_CASE("products of rows are added in order, whatever fits into fours") {
  for (const std::size_t y_rows : {1u, 4u, 7u, 20u})
    for (const std::size_t x_rows : {0u, 1u, 4u, 6u, 16u}) {
      check<double>(y_rows, x_rows, 37);
      check<float>(y_rows, x_rows, 37);
    }
}
