// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/smooth.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "dsmm/convert/quantize/attention.hpp"
#include "tests/convert/transformer_case.hpp"

using namespace transformer_case;

namespace {

/// Loudest channel of the norm over the quietest one, on one sample.
float spread(const lowered_graph& g, std::uint32_t norm, const sample_set& data) {
  auto run = sample_run::prepare(g, std::vector<std::uint32_t>{norm}, false, options());
  REQUIRE(run.has_value());
  REQUIRE((*run)->run(data, 0));
  std::vector<float> top(static_cast<std::size_t>(width), 0.0f);
  const auto y = (*run)->observed(norm);
  for (std::size_t i = 0; i < y.size(); ++i) top[i % top.size()] = std::max(top[i % top.size()], std::abs(y[i]));
  const auto [low, high] = std::minmax_element(top.begin(), top.end());
  return *high / *low;
}

}  // namespace

TEST_CASE("smoothing evens out the channels of a layer norm and changes no bit of the fp32 function") {
  const block b(30.0f);
  const auto data = samples(4, 3);
  const auto before = output_of(b.g, data, 0);
  const float uneven = spread(b.g, b.norm, data);
  float last = uneven;
  for (const double strength : {0.0, 0.5, 1.0}) {
    lowered_graph g = b.g;
    const quantize_plan plan = plan_lowering(g, {}, find_attention(g));
    REQUIRE(smooth(g, plan, data, strength, options(), {}));
    CHECK(output_of(g, data, 0) == before);
    const float even = spread(g, b.norm, data);
    if (strength == 0.0) CHECK(even == uneven);
    else CHECK(even < 0.5f * last);
    last = even;
  }
  CHECK(last < 4.0f);
}

TEST_CASE("smoothing leaves a norm alone that more than products read") {
  block b(30.0f);
  b.output(b.norm);
  const auto data = samples(2, 3);
  lowered_graph g = b.g;
  REQUIRE(smooth(g, plan_lowering(g, {}, find_attention(g)), data, 1.0, options(), {}));
  CHECK(spread(g, b.norm, data) == spread(b.g, b.norm, data));
}
