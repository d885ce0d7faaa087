// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/tune_grids.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace dsmm;

TEST_CASE("ranges of little effect get headroom, others and inputs none") {
  convert::lowered_graph g;
  g.values.resize(4);
  g.inputs.push_back({"x", 0});
  convert::quantize_plan plan;
  plan.roots = plan.grids = {0, 1, 2, 3};
  const convert::grid_noise noise{{0.001, 2.0, 0.001, 0.9}, {}};
  std::vector<quantization> grids(4, {1.0f, 3});
  const std::uint32_t fixed[] = {3};
  convert::add_headroom(g, plan, noise, 1.5, fixed, grids);
  CHECK(grids[0] == quantization{1.0f, 3});
  CHECK(grids[1] == quantization{1.0f, 3});
  CHECK(grids[2] == quantization{1.5f, 3});
  CHECK(grids[3] == quantization{1.0f, 3});
}
