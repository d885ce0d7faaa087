// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/split_channels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "tests/convert/prune_case.hpp"

using namespace prune_case;

TEST_CASE("slices of loud channels add up to what the channels were, through pools and joins") {
  net n;
  const std::uint32_t x = n.input({1, 3, 8, 8});
  const std::uint32_t a = n.conv(x, 6, 3), b = n.conv(x, 4, 1);
  n.output(n.conv(n.max_pool(n.concat(a, b)), 5, 3));
  lowered_graph g = n.g;
  const quantize_plan plan = plan_lowering(g);
  REQUIRE(plan.layers.size() == 3);
  // 16 slices of 0.5 each reach 8; nothing here is louder than that
  const grid_split split{plan.grids[plan.layers[0].y], 0.5f, {std::vector<std::int32_t>{16, 1, 16, 16, 16, 16}}, {0}};
  split_channels(g, plan, std::span(&split, 1));
  CHECK(g.values[plan.layers[0].y].dims[1] == 81);
  auto before = sample_run::prepare(n.g, std::vector<std::uint32_t>{plan.layers[0].y}, false, options());
  auto after = sample_run::prepare(g, std::vector<std::uint32_t>{plan.layers[0].y}, false, options());
  REQUIRE(before.has_value());
  REQUIRE(after.has_value());
  const auto data = samples(2, 5);
  for (std::size_t i = 0; i < data.count; ++i) {
    REQUIRE((*before)->run(data, i));
    REQUIRE((*after)->run(data, i));
    const auto y = (*before)->observed(plan.layers[0].y), z = (*after)->observed(plan.layers[0].y);
    REQUIRE(z.size() == 81 * 64);
    for (std::size_t c = 0; c < 6; ++c)  // the first slices stand where the channels were
      for (std::size_t k = 0; k < 64; ++k) {
        CHECK(y[c * 64 + k] < 8.0f);
        CHECK(z[c * 64 + k] <= 0.5f);
        if (c == 1) CHECK(z[c * 64 + k] == std::min(y[c * 64 + k], 0.5f));
      }
    for (std::size_t k = 0; k < 64; ++k) {
      float sum = z[k];
      for (std::size_t slice = 0; slice < 15; ++slice) sum += z[(6 + 5 * slice) * 64 + k];
      CHECK(std::abs(sum - y[k]) < 1e-5f);
    }
  }
}
