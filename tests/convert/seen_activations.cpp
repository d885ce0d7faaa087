// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/seen_activations.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace dsmm;

TEST_CASE("seen_activations: every value is in a bin, the largest in the last; the grid has its own ends") {
  const std::vector<float> values{-1.0f, -1.0f, 0.0f, 3.0f};
  const convert::seen_activations seen = convert::histogram_of(values, {0.01f, 55});
  CHECK(std::accumulate(seen.bins.begin(), seen.bins.end(), 0u) == 4);
  CHECK(seen.bins.front() == 2);
  CHECK(seen.bins.back() == 1);
  CHECK(seen.low == -1.0);
  CHECK(seen.high == 3.0);
  CHECK(seen.grid_low == doctest::Approx(-0.55));
  CHECK(seen.grid_high == doctest::Approx(2.0));
  CHECK(convert::histogram_of({}, {}).bins.empty());
}
