// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/reduce.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

/// The order of the contract, written down in the plainest way.
float reference_sum(const std::vector<float>& x, bool squares) {
  float lane[64] = {};
  for (std::size_t i = 0; i < x.size(); ++i)
    lane[i % 64] = squares ? std::fma(x[i], x[i], lane[i % 64]) : lane[i % 64] + x[i];
  for (std::size_t width = 32; width != 0; width /= 2)
    for (std::size_t l = 0; l < width; ++l) lane[l] = lane[l] + lane[l + width];
  return lane[0];
}

}  // namespace

TEST_CASE("sums follow the 64-lane order for every length and are close to the exact sum") {
  std::vector<float> all;
  for (std::size_t n = 0; n < 400; ++n) {
    const std::vector<float> x = golden::random_f32(n, n, -3.0f, 5.0f);
    const float s = k::sum(x.data(), n), q = k::sum_squares(x.data(), n);
    CHECK(s == reference_sum(x, false));
    CHECK(q == reference_sum(x, true));
    double exact = 0.0, magnitude = 0.0;
    for (const float v : x) {
      exact += static_cast<double>(v);
      magnitude += std::fabs(static_cast<double>(v));
    }
    CHECK(std::fabs(s - exact) <= magnitude * 13 * 0x1p-24);  // 7 additions in a lane, 6 in the tree
    all.push_back(s);
    all.push_back(q);
    all.push_back(k::max(x.data(), n));
  }
  golden::check("reduce", golden::hash(all));
}

TEST_CASE("max: NaN anywhere wins, zeros have no sign, the order does not matter") {
  const float inf = INFINITY;
  for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 200u})
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<float> x(n, -2.0f);
      x[at] = 1.5f;
      CHECK(k::max(x.data(), n) == 1.5f);
      x[at] = NAN;
      CHECK(std::bit_cast<std::uint32_t>(k::max(x.data(), n)) == 0x7FC0'0000u);
    }
  const float zeros[] = {-0.0f, -0.0f};
  CHECK_FALSE(std::signbit(k::max(zeros, 2)));
  CHECK(k::max(zeros, 0) == -inf);
  const float infinities[] = {-inf, -inf};
  CHECK(k::max(infinities, 2) == -inf);
}

TEST_CASE("a strided view gives the bits of its dense copy") {
  for (const dsmm::extents shape : {dsmm::extents{3, 5, 7}, {1, 1, 1}, {9, 1, 64}, {4, 33, 2}}) {
    golden::guarded<float> x(shape, shape.c + 3, NAN);
    const std::vector<float> dense = golden::random_f32(static_cast<std::size_t>(shape.count()), 5, -1.0f, 1.0f);
    std::size_t i = 0;
    for (std::int32_t row = 0; row < shape.h; ++row)
      for (std::int32_t col = 0; col < shape.w; ++col)
        for (std::int32_t c = 0; c < shape.c; ++c) x.view.at(row, col)[c] = dense[i++];
    CHECK(k::sum(dsmm::tensor_view<const float>(x.view)) == k::sum(dense.data(), dense.size()));
    CHECK(k::max(dsmm::tensor_view<const float>(x.view)) == k::max(dense.data(), dense.size()));
    CHECK(k::sum(dsmm::dense_view(dense.data(), shape)) == k::sum(dense.data(), dense.size()));
    x.view.at(0, 0)[0] = NAN;
    CHECK(std::isnan(k::max(dsmm::tensor_view<const float>(x.view))));
  }
}

TEST_CASE("NaN sums are the one NaN") {
  const float x[] = {INFINITY, -INFINITY, 1.0f};
  const float y[] = {1.0f, 2.0f, std::bit_cast<float>(0xFFC0'1234u)};
  CHECK(std::bit_cast<std::uint32_t>(k::sum(y, 3)) == 0x7FC0'0000u);
  CHECK(std::bit_cast<std::uint32_t>(k::sum(x, 3)) == 0x7FC0'0000u);
}
