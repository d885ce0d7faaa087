// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/small_layers.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

using dsmm::convert::small_layers;

TEST_CASE("small_layers: fewest weights first, until the share is used up") {
  const std::vector<std::size_t> sizes{400, 0, 100, 60, 100};  // the second has 8 bits anyway
  CHECK(small_layers(sizes, 1000, 0.0) == std::vector<bool>(5, false));
  CHECK(small_layers(sizes, 1000, 0.04) == std::vector<bool>{false, false, false, true, false});
  CHECK(small_layers(sizes, 1000, 0.1) == std::vector<bool>{false, false, true, true, false});  // 30 + 50, not 130
  CHECK(small_layers(sizes, 1000, 1.0) == std::vector<bool>{true, false, true, true, true});
}
