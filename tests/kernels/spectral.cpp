// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/spectral.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

struct front_end {
  explicit front_end(std::int32_t size, std::vector<std::int32_t> band_edges)
      : edges(std::move(band_edges)), table(k::fft_table_floats(size)) {
    k::make_fft_table(size, table.data());
    for (std::int32_t i = 0; i < size; ++i)
      window.push_back(static_cast<float>(0.5 - 0.5 * std::cos(6.283185307179586 * i / size)));
    f = {size, static_cast<std::int32_t>(edges.size()) - 1, table.data(), window.data(), edges.data()};
  }
  std::vector<std::int32_t> edges;
  std::vector<float> table, window;
  k::spectral_factors f;
};

std::vector<float> run(const front_end& e, const std::vector<float>& past, std::int32_t channels, std::int32_t fresh) {
  std::vector<float> y(static_cast<std::size_t>(channels * k::spectral_values(e.f.bands)), -99.0f);
  std::vector<float> scratch(k::spectral_scratch_bytes(e.f.size) / 4 + 1, 7.0f);
  const auto view = dsmm::dense_view(past.data(), {e.f.size, 1, channels});
  const auto last = dsmm::dense_view(past.data() + (e.f.size - fresh) * channels, {fresh, 1, channels});
  for (std::int32_t c = 0; c < channels; ++c)
    k::spectral(view, last, e.f, y.data(), c, c + 1, reinterpret_cast<std::byte*>(scratch.data()));
  CHECK(scratch.back() == 7.0f);
  return y;
}

}  // namespace

TEST_CASE("bands, level, peak and kurtosis against double") {
  std::uint64_t hash = 0;
  for (const std::int32_t size : {32, 256, 1024}) {
    const front_end e(size, {0, 1, 3, 3, 9, size / 2 + 1});
    const std::int32_t channels = 3, fresh = size / 4 - 1;
    const auto x = golden::random_f32(static_cast<std::size_t>(size * channels), 12, -2.0f, 3.0f);
    const auto y = run(e, x, channels, fresh);
    double worst = 0.0;
    for (std::int32_t c = 0; c < channels; ++c) {
      const auto at = [&](std::int32_t t) {
        return static_cast<double>(x[static_cast<std::size_t>(t * channels + c)]);
      };
      const auto out = y.begin() + c * 8;
      for (std::int32_t b = 0; b < 5; ++b) {
        double energy = 0.0;
        for (std::int32_t f = e.edges[static_cast<std::size_t>(b)]; f < e.edges[static_cast<std::size_t>(b) + 1]; ++f) {
          double re = 0.0, im = 0.0;
          for (std::int32_t t = 0; t < size; ++t) {
            const double v = at(t) * static_cast<double>(e.window[static_cast<std::size_t>(t)]);
            re += v * std::cos(6.283185307179586 * f * t / size);
            im += v * std::sin(6.283185307179586 * f * t / size);
          }
          energy += re * re + im * im;
        }
        worst = std::max(worst, std::fabs(static_cast<double>(out[b]) - std::log2(0x1p-20 + energy / size)));
      }
      double mean = 0.0, square = 0.0, peak = 0.0, m2 = 0.0, m4 = 0.0;
      for (std::int32_t t = size - fresh; t < size; ++t) {
        mean += at(t) / fresh;
        square += at(t) * at(t) / fresh;
        peak = std::max(peak, std::fabs(at(t)));
      }
      for (std::int32_t t = size - fresh; t < size; ++t) {
        m2 += std::pow(at(t) - mean, 2) / fresh;
        m4 += std::pow(at(t) - mean, 4) / fresh;
      }
      worst = std::max(worst, std::fabs(static_cast<double>(out[5]) - std::log2(0x1p-20 + square)));
      worst = std::max(worst, std::fabs(static_cast<double>(out[6]) - std::log2(0x1p-10 + peak)));
      worst = std::max(worst, std::fabs(static_cast<double>(out[7]) - m4 / (m2 * m2 + 0x1p-20)));
    }
    CHECK(worst < 2e-5);
    hash = golden::hash(y, hash);
  }
  golden::check("spectral", hash);
}

TEST_CASE("silence has finite features; a NaN is seen where it reaches, and only in its channel") {
  const front_end e(64, {0, 8, 33});
  std::vector<float> x(128, 0.0f);
  const auto silent = run(e, x, 2, 16);
  CHECK(silent == std::vector{-20.0f, -20.0f, -20.0f, -10.0f, 0.0f, -20.0f, -20.0f, -20.0f, -10.0f, 0.0f});
  x[2 * 10 + 1] = -NAN;  // old enough to be outside the new samples of channel 1
  auto y = run(e, x, 2, 16);
  for (int i = 0; i < 5; ++i) CHECK(y[static_cast<std::size_t>(i)] == silent[static_cast<std::size_t>(i)]);
  CHECK(std::bit_cast<std::uint32_t>(y[5]) == 0x7FC0'0000u);
  CHECK(std::bit_cast<std::uint32_t>(y[6]) == 0x7FC0'0000u);
  CHECK(y[7] == -20.0f);
  x[2 * 60] = INFINITY;
  x[2 * 61] = NAN;
  y = run(e, x, 2, 16);
  for (const std::size_t i : {0u, 1u, 2u, 3u, 4u}) CHECK(std::bit_cast<std::uint32_t>(y[i]) == 0x7FC0'0000u);
}
