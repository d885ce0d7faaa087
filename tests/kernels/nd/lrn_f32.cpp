// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/lrn_f32.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "tests/kernels/fenced_bytes.hpp"

TEST_CASE("lrn f32: every variant has the bits of the generic one, beside a page that must not be touched") {
  dsmm::rng random(41);
  const auto plain = dsmm::kernels::nd::lrn_for(dsmm::isa::generic);
  constexpr std::size_t rows = 5;
  for (std::size_t n = 1; n < 70; ++n) {
    std::vector<float> values(rows * n);
    for (float& v : values) v = random.uniform(-3.0f, 3.0f);
    if (n % 7 == 0) values[n / 2] = std::numeric_limits<float>::infinity();
    if (n % 9 == 0) values[n / 3] = -std::numeric_limits<float>::quiet_NaN();
    fenced_bytes x(values, n % 2 == 0 ? fence::behind : fence::before);
    for (const auto& set : dsmm::isa_rows) {
      if (!set.here()) continue;
      const auto k = dsmm::kernels::nd::lrn_for(set.id);
      std::vector<float> sum(n), wanted(n);
      k.squares(x.as<float>(), n, rows, sum.data(), n);
      plain.squares(x.as<float>(), n, rows, wanted.data(), n);
      CHECK(std::memcmp(sum.data(), wanted.data(), n * sizeof(float)) == 0);
      for (const float bias : {1.0f, -2.0f}) {  // also below zero, where there is no root
        std::vector<float> y(n), z(n);
        k.divide(x.as<float>(), sum.data(), 0.2f, bias, y.data(), n);
        plain.divide(x.as<float>(), sum.data(), 0.2f, bias, z.data(), n);
        CHECK(std::memcmp(y.data(), z.data(), n * sizeof(float)) == 0);
      }
    }
  }
}
