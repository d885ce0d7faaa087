// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/softmax.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("softmax within 1e-6 relative of double, rows sum to one") {
  std::uint64_t hash = 0;
  for (const std::int32_t c : {1, 2, 10, 64, 65, 1000}) {
    const dsmm::extents shape{2, 3, c};
    const auto n = static_cast<std::size_t>(c);
    const std::vector<float> x = golden::random_f32(6 * n, 8, -12.0f, 12.0f);
    std::vector<float> y(6 * n);
    for (std::int32_t row = 0; row < 2; ++row)
      k::softmax(dsmm::dense_view(x.data(), shape), dsmm::dense_view(y.data(), shape), row, row + 1);
    for (std::size_t pixel = 0; pixel < 6; ++pixel) {
      double sum = 0.0, total = 0.0, worst = 0.0;
      for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[pixel * n + i]));
      for (std::size_t i = 0; i < n; ++i) {
        const double exact = std::exp(static_cast<double>(x[pixel * n + i])) / sum;
        worst = std::max(worst, std::fabs(y[pixel * n + i] - exact) / exact);
        total += static_cast<double>(y[pixel * n + i]);
      }
      CHECK(worst < 2e-6);
      CHECK(std::fabs(total - 1.0) < 1e-6);
    }
    hash = golden::hash(y, hash);
  }
  golden::check("softmax", hash);
}

TEST_CASE("infinities and NaN") {
  const float inf = INFINITY;
  const auto run = [](float a, float b) {
    const float x[] = {a, b};
    std::vector<float> y(2);
    k::softmax(dsmm::dense_view(x, {1, 1, 2}), dsmm::dense_view(y.data(), {1, 1, 2}), 0, 1);
    return y;
  };
  CHECK(run(-inf, 3.0f) == std::vector{0.0f, 1.0f});
  CHECK(run(-3e38f, 3e38f) == std::vector{0.0f, 1.0f});
  CHECK(run(2.0f, 2.0f) == std::vector{0.5f, 0.5f});
  for (const auto& y : {run(inf, 1.0f), run(-inf, -inf), run(NAN, 1.0f), run(1.0f, -NAN)})
    for (const float v : y) CHECK(std::bit_cast<std::uint32_t>(v) == 0x7FC0'0000u);
}
