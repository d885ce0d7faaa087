// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/fft.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("twiddles are the nearest floats to the real ones") {
  for (std::int32_t size = 32; size <= 4096; size *= 2) {
    std::vector<float> t(k::fft_table_floats(size));
    k::make_fft_table(size, t.data());
    for (std::int32_t i = 0; i < size / 2; ++i) {
      const double angle = 6.283185307179586 * i / size;
      const auto at = static_cast<std::size_t>(i), half = static_cast<std::size_t>(size / 2);
      CHECK(std::fabs(static_cast<double>(t[at]) - std::cos(angle)) <= 0x1.001p-25);
      CHECK(std::fabs(static_cast<double>(t[half + at]) - std::sin(angle)) <= 0x1.001p-25);
    }
    CHECK(t[static_cast<std::size_t>(size / 4)] == 0.0f);
    CHECK(t[0] == 1.0f);
    if (size == 4096) golden::check("fft.table", golden::hash(t));
  }
}

TEST_CASE("the power spectrum against a discrete Fourier transform in double, every size") {
  std::uint64_t hash = 0;
  for (std::int32_t size = 32; size <= 4096; size *= 2) {
    const auto n = static_cast<std::size_t>(size);
    const std::vector<float> x = golden::random_f32(n, n, -1.0f, 1.0f);
    std::vector<float> table(k::fft_table_floats(size)), power(n / 2 + 2, -1.0f),
        scratch(k::fft_scratch_floats(size) + 1, 9.0f);
    k::make_fft_table(size, table.data());
    k::power_spectrum([&](std::int32_t t) { return x[static_cast<std::size_t>(t)]; }, size, table.data(), power.data(),
                      scratch.data());
    double top = 0.0, worst = 0.0;
    for (std::size_t f = 0; f <= n / 2; f += size > 1024 ? 37 : 1) {
      double re = 0.0, im = 0.0;
      for (std::size_t t = 0; t < n; ++t) {
        const double angle = -6.283185307179586 * static_cast<double>(f * t % n) / size;
        re += static_cast<double>(x[t]) * std::cos(angle);
        im += static_cast<double>(x[t]) * std::sin(angle);
      }
      const double magnitude = std::sqrt(re * re + im * im);
      top = std::max(top, magnitude);
      worst = std::max(worst, std::fabs(std::sqrt(static_cast<double>(power[f])) - magnitude));
    }
    CHECK(worst < 1e-6 * top);
    CHECK(power.back() == -1.0f);
    CHECK(scratch.back() == 9.0f);
    power.pop_back();
    hash = golden::hash(power, hash);
  }
  golden::check("fft.power", hash);
}

TEST_CASE("a pure tone lands in its bin alone, a constant in bin zero") {
  std::vector<float> table(256), power(129), scratch(512);
  k::make_fft_table(256, table.data());
  for (const std::int32_t tone : {0, 1, 5, 64, 127, 128}) {
    k::power_spectrum(
        [&](std::int32_t t) { return static_cast<float>(std::cos(6.283185307179586 * tone * t / 256.0)); }, 256,
        table.data(), power.data(), scratch.data());
    const double expected = tone == 0 || tone == 128 ? 65536.0 : 16384.0;
    for (std::int32_t i = 0; i <= 128; ++i) {
      const auto v = static_cast<double>(power[static_cast<std::size_t>(i)]);
      if (i == tone) CHECK(v == doctest::Approx(expected).epsilon(1e-6));
      else CHECK(v < 1e-8 * expected);
    }
  }
}

TEST_CASE("sizes") {
  for (const std::int32_t size : {32, 64, 4096}) CHECK(k::fft_size_fits(size));
  for (const std::int32_t size : {-32, 0, 16, 33, 8192}) CHECK_FALSE(k::fft_size_fits(size));
}
