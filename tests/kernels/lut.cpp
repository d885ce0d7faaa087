// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/lut.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

TEST_CASE("rescale tables: identity, nearest value, saturation, ties upward") {
  const k::u8_table same = k::rescale_table({0.37f, 12}, {0.37f, 12});
  for (std::size_t i = 0; i < 256; ++i) CHECK(same[i] == i);
  const k::u8_table half = k::rescale_table({1.0f, 10}, {2.0f, 20});
  CHECK(half[9] == 20);   // -0.5
  CHECK(half[11] == 21);  // +0.5
  CHECK(half[10] == 20);
  const k::u8_table huge = k::rescale_table({1e30f, 10}, {1e-5f, 20});
  CHECK(huge[9] == 0);
  CHECK(huge[10] == 20);
  CHECK(huge[11] == 255);
  std::uint64_t hash = 0;
  for (const float ratio : {0.011f, 0.37f, 0.999f, 1.3f, 17.0f}) {
    const k::u8_table t = k::rescale_table({ratio, 100}, {1.0f, 7});
    for (int i = 0; i < 256; ++i) {
      const double exact = std::floor((i - 100) * static_cast<double>(ratio) + 0.5) + 7;
      CHECK(t[static_cast<std::size_t>(i)] == std::min(255.0, std::max(0.0, exact)));
    }
    hash = golden::hash(std::vector(t.begin(), t.end()), hash);
  }
  golden::check("lut", hash);
}

TEST_CASE("every variant finds every entry, at any length and in place") {
  k::u8_table table;
  for (std::size_t i = 0; i < 256; ++i) table[i] = static_cast<std::uint8_t>(i * 167 + 13);
  for (const std::size_t n : {0u, 1u, 31u, 63u, 64u, 65u, 200u, 1000u}) {
    const auto x = golden::random_u8(n, n);
    std::vector<std::uint8_t> expected(n + 64, 9);
    for (std::size_t i = 0; i < n; ++i) expected[i] = table[x[i]];
    k::lut_variants::for_each([&]<class V>(std::type_identity<V>) {
      if (!dsmm::has_isa(V::required)) return;
      CAPTURE(dsmm::to_string(V::required));
      std::vector<std::uint8_t> y(n + 64, 9);
      V::run(x.data(), table, n, y.data());
      CHECK(y == expected);
      std::copy(x.begin(), x.end(), y.begin());
      V::run(y.data(), table, n, y.data());
      CHECK(y == expected);
    });
  }
}

TEST_CASE("a table is applied in place, with padding channels") {
  k::u8_table invert;
  for (std::size_t i = 0; i < 256; ++i) invert[i] = static_cast<std::uint8_t>(255 - i);
  golden::guarded<std::uint8_t> x({3, 2, 5}, 8, 1);
  x.view.at(2, 1)[4] = 200;
  k::lut_u8(x.view, invert, x.view, 6, 0, 3);
  CHECK(x.view.at(2, 1)[4] == 55);
  CHECK(x.view.at(0, 0)[0] == 254);
  CHECK(x.halo_untouched());
  CHECK(x.padding_is(6));
}
