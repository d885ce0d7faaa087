// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/unfuse.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "dsmm/convert/quantize/plan.hpp"

using namespace dsmm;
using convert::lowered_graph;

namespace {

/// x (1, 4, 6, 6) -> average 3x3 -> y; attributes as nd_pool's.
lowered_graph average(bool counts_padding, bool ceil, std::int32_t pad) {
  lowered_graph g;
  g.values.push_back({dtype::f32, {1, 4, 6, 6}});
  g.values.push_back({dtype::f32, {1, 4, 6, 6}});
  g.inputs = {{"x", 0}};
  g.outputs = {{"y", 1}};
  const std::int32_t counts = counts_padding ? 1 : 0, round = ceil ? 1 : 0;
  g.ops.push_back({op_kind::nd_pool,
                   "mean",
                   {0},
                   {1},
                   {1, 2, 2, counts, round, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1, pad, pad, 0, pad, pad, 0}});
  return g;
}

}  // namespace

TEST_CASE("an average that counts its padding becomes a depthwise convolution by equal weights") {
  lowered_graph g = average(true, false, 1);
  convert::unfuse(g);
  REQUIRE(g.ops.size() == 1);
  CHECK(g.ops[0].kind == op_kind::nd_conv);
  CHECK(g.ops[0].attributes == std::vector<std::int32_t>{4, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0});
  const convert::lowered_value& w = g.values[g.ops[0].inputs[1]];
  CHECK(w.dims == convert::dim_list{4, 1, 3, 3});
  for (const float v : convert::floats_of(w)) CHECK(v == 1.0f / 9.0f);
  REQUIRE(w.scales);
  CHECK(w.scales->scale.size() == 1);
}

TEST_CASE("other averages stay what they are") {
  for (lowered_graph g : {average(false, false, 1), average(true, false, 0), average(true, true, 1)}) {
    convert::unfuse(g);
    CHECK(g.ops[0].kind == op_kind::nd_pool);
  }
}
