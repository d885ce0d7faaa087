// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/lut.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "dsmm/core/rng.hpp"
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

TEST_CASE("every variant looks up what generic does: all values, lengths, steps, in place") {
  k::u8_table table;
  dsmm::rng random(5);
  for (auto& v : table) v = static_cast<std::uint8_t>(random.below(256));
  std::vector<std::uint8_t> x(3 * 400);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i < 256 ? i : random.below(256));
  k::lut_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    CAPTURE(dsmm::to_string(V::required));
    for (std::size_t length = 0; length < 330; length += length < 140 ? 1 : 63) {
      std::vector<std::uint8_t> expected(x.size(), 9), y = expected, in_place = x;
      k::lut_impl::generic::run(table, {x.data(), 400, expected.data(), 390, 3, length});
      V::run(table, {x.data(), 400, y.data(), 390, 3, length});
      CHECK(y == expected);
      V::run(table, {in_place.data(), 400, in_place.data(), 400, 3, length});
      for (std::size_t r = 0; r < 3; ++r)
        CHECK(std::equal(&in_place[r * 400], &in_place[r * 400] + length, &expected[r * 390]));
      CHECK(std::equal(in_place.begin() + static_cast<std::ptrdiff_t>(800 + length), in_place.end(),
                       x.begin() + static_cast<std::ptrdiff_t>(800 + length)));
    }
  });
}

TEST_CASE("a table is applied in place, with padding channels") {
  k::u8_table invert;
  for (std::size_t i = 0; i < 256; ++i) invert[i] = static_cast<std::uint8_t>(255 - i);
  golden::guarded<std::uint8_t> x({3, 2, 5}, 8, 1);
  x.view.at(2, 1)[4] = 200;
  k::lut_u8(k::lut_for(dsmm::best_isa()), x.view, invert, x.view, 6, 0, 3);
  CHECK(x.view.at(2, 1)[4] == 55);
  CHECK(x.view.at(0, 0)[0] == 254);
  CHECK(x.halo_untouched());
  CHECK(x.padding_is(6));
}
