// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/layer_norm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("layer norm: the nearest byte to the exact value, halo and padding") {
  std::uint64_t hash = 0;
  for (const std::int32_t c : {1, 2, 7, 64, 130, 4096}) {
    const dsmm::extents shape{3, 2, c};
    const auto n = static_cast<std::size_t>(c);
    const auto bytes = golden::random_u8(6 * n, 3);
    const auto gamma = golden::random_f32(n, 1, -2.0f, 2.0f), beta = golden::random_f32(n, 2, -1.0f, 1.0f);
    const dsmm::quantization qx{0.04f, 31}, qy{0.03f, 120};
    std::vector<float> table(2 * n);
    k::layer_norm_factors f;
    REQUIRE(k::make_layer_norm(gamma.data(), beta.data(), c, 1e-5f, qx, qy, table.data(), f));
    golden::guarded<std::uint8_t> y(shape, (c + 3) / 4 * 4, 1);
    for (std::int32_t row = 0; row < 3; ++row)
      k::layer_norm(dsmm::dense_view(bytes.data(), shape), f, y.view, row, row + 1);
    double worst = 0.0;
    for (std::size_t pixel = 0; pixel < 6; ++pixel) {
      double mean = 0.0, variance = 0.0;
      for (std::size_t i = 0; i < n; ++i) mean += 0.04 * (bytes[pixel * n + i] - 31) / c;
      for (std::size_t i = 0; i < n; ++i) variance += std::pow(0.04 * (bytes[pixel * n + i] - 31) - mean, 2) / c;
      for (std::size_t i = 0; i < n; ++i) {
        const double normal = (0.04 * (bytes[pixel * n + i] - 31) - mean) / std::sqrt(variance + 1e-5);
        const double exact = (normal * static_cast<double>(gamma[i]) + static_cast<double>(beta[i])) / 0.03 + 120;
        const int got = y.view.at(static_cast<std::int32_t>(pixel / 2), static_cast<std::int32_t>(pixel % 2))[i];
        worst = std::max(worst, std::fabs(got - std::clamp(exact, 0.0, 255.0)));
      }
    }
    CHECK(worst < 0.5005);
    CHECK(y.halo_untouched());
    CHECK(y.padding_is(120));
    hash = golden::hash(y.buffer, hash);
  }
  golden::check("layer_norm", hash);
}

TEST_CASE("a constant pixel becomes beta, and impossible constants are refused") {
  const std::uint8_t x[] = {9, 9, 9};
  const float gamma[] = {1.0f, 1.0f, 1.0f}, beta[] = {0.5f, 1.0f, -1.0f};
  float table[6];
  std::uint8_t y[3] = {};
  k::layer_norm_factors f;
  REQUIRE(k::make_layer_norm(gamma, beta, 3, 1e-12f, {0.1f, 0}, {0.1f, 10}, table, f));
  k::layer_norm(dsmm::dense_view(x, {1, 1, 3}), f, dsmm::dense_view(y, {1, 1, 3}), 0, 1);
  CHECK(y[0] == 15);
  CHECK(y[1] == 20);
  CHECK(y[2] == 0);
  CHECK_FALSE(k::make_layer_norm(gamma, beta, 3, 0.0f, {0.1f, 0}, {0.1f, 10}, table, f));
  CHECK_FALSE(k::make_layer_norm(gamma, beta, 3, NAN, {0.1f, 0}, {0.1f, 10}, table, f));
}

TEST_CASE("layer norm of f32 values: the nearest byte to the exact value, NaN becomes the zero point") {
  std::uint64_t hash = 0;
  for (const std::int32_t c : {1, 3, 64, 65, 384, 1000}) {
    const dsmm::extents shape{3, 2, c};
    const auto n = static_cast<std::size_t>(c);
    const auto x = golden::random_f32(6 * n, 3, -4.0f, 9.0f);
    const auto gamma = golden::random_f32(n, 1, -2.0f, 2.0f), beta = golden::random_f32(n, 2, -1.0f, 1.0f);
    std::vector<float> table(2 * n);
    k::layer_norm_factors f;
    REQUIRE(k::make_layer_norm(gamma.data(), beta.data(), c, 1e-5f, dsmm::quantization{0.03f, 120}, table.data(), f));
    golden::guarded<std::uint8_t> y(shape, (c + 3) / 4 * 4, 1);
    for (std::int32_t row = 0; row < 3; ++row)
      k::layer_norm(dsmm::dense_view(x.data(), shape), f, y.view, row, row + 1);
    double worst = 0.0;
    for (std::size_t pixel = 0; pixel < 6; ++pixel) {
      double mean = 0.0, variance = 0.0;
      for (std::size_t i = 0; i < n; ++i) mean += static_cast<double>(x[pixel * n + i]) / c;
      for (std::size_t i = 0; i < n; ++i) variance += std::pow(static_cast<double>(x[pixel * n + i]) - mean, 2) / c;
      for (std::size_t i = 0; i < n; ++i) {
        const double normal = (static_cast<double>(x[pixel * n + i]) - mean) / std::sqrt(variance + 1e-5);
        const double exact = (normal * static_cast<double>(gamma[i]) + static_cast<double>(beta[i])) / 0.03 + 120;
        const int got = y.view.at(static_cast<std::int32_t>(pixel / 2), static_cast<std::int32_t>(pixel % 2))[i];
        worst = std::max(worst, std::fabs(got - std::clamp(exact, 0.0, 255.0)));
      }
    }
    CHECK(worst < 0.5005);
    CHECK(y.halo_untouched());
    CHECK(y.padding_is(120));
    hash = golden::hash(y.buffer, hash);
  }
  golden::check("layer_norm.f32", hash);
  const float bad[] = {1.0f, NAN, 2.0f};
  const float gamma[] = {1.0f, 1.0f, 1.0f}, beta[] = {0.0f, 0.0f, 0.0f};
  float table[6];
  std::uint8_t y[3] = {};
  k::layer_norm_factors f;
  REQUIRE(k::make_layer_norm(gamma, beta, 3, 1e-5f, dsmm::quantization{0.1f, 77}, table, f));
  k::layer_norm(dsmm::dense_view(bad, {1, 1, 3}), f, dsmm::dense_view(y, {1, 1, 3}), 0, 1);
  CHECK(y[0] == 77);
  CHECK(y[2] == 77);
  CHECK_FALSE(k::make_layer_norm(gamma, beta, 3, 0.0f, dsmm::quantization{0.1f, 77}, table, f));
}
