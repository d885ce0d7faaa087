// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/prune/pruner.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "dsmm/convert/prune/agreement.hpp"
#include "tests/convert/prune_case.hpp"

using namespace prune_case;

namespace {

/// Residual sum, depthwise, concatenation, split by copy, grouped convolution, pool, flatten and a product.
net everything() {
  net n;
  const std::uint32_t x = n.input({1, 3, 8, 8});
  const std::uint32_t a = n.conv(x, 16, 3);
  const std::uint32_t b = n.conv(a, 24, 1);
  const std::uint32_t c = n.conv(b, 24, 3, 24);
  const std::uint32_t d = n.conv(c, 16, 1, 1, a);
  const std::uint32_t e = n.concat(n.conv(d, 16, 1), n.conv(d, 8, 3));
  const std::uint32_t low = n.op(op_kind::nd_copy, {e}, {1, 12, 8, 8}, {0, 0, 64, 8, 1, 0, 0});
  const std::uint32_t high = n.op(op_kind::nd_copy, {e}, {1, 12, 8, 8}, {12 * 64, 0, 64, 8, 1, 0, 0});
  const std::uint32_t f = n.concat(low, n.conv(high, 12, 3, 2));
  const std::uint32_t scaled = n.op(op_kind::nd_binary, {f, n.weights({1, 24, 1, 1}, 1.0f)}, {1, 24, 8, 8}, {2});
  const std::uint32_t pooled = n.max_pool(n.conv(scaled, 16, 3));
  n.output(n.linear(n.flatten(pooled), 10));
  return n;
}

prune::observe_options observed(std::int64_t positions = 2048) {
  prune::observe_options o;
  o.positions = positions;
  o.session = options();
  return o;
}

double sqnr(const lowered_graph& original, const lowered_graph& other, const sample_set& data) {
  const auto y = prune::record_outputs(original, data, options()), z = prune::record_outputs(other, data, options());
  REQUIRE(y);
  REQUIRE_MESSAGE(z, z.error().text);
  return prune::compare_outputs(original, *y, *z).sqnr_db;
}

}  // namespace

TEST_CASE("Channels that meet in a residual sum can only be cut together, and the outputs keep theirs") {
  net n;
  const std::uint32_t x = n.input({1, 3, 4, 4});
  const std::uint32_t a = n.conv(x, 8, 3), b = n.conv(a, 16, 1), c = n.conv(b, 8, 1, 1, a);
  n.output(n.conv(c, 5, 1));
  const prune::channel_graph graph(n.g);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(graph.sets().find(graph.axis(a).labels[i]) == graph.sets().find(graph.axis(c).labels[i]));
    CHECK(graph.sets().find(graph.axis(a).labels[i]) != graph.sets().find(graph.axis(b).labels[i]));
  }
  CHECK(graph.sets().is_fixed(graph.axis(n.g.outputs[0].value).labels[0]));
  CHECK_FALSE(graph.axis(x));
}

TEST_CASE("A channel shuffle ties the channels that change places, and what is left can still be shuffled") {
  net n;
  const std::uint32_t x = n.input({1, 3, 4, 4});
  const std::uint32_t a = n.conv(x, 16, 3);
  const std::uint32_t swapped = n.op(op_kind::nd_copy, {a}, {1, 8, 2, 4, 4}, {0, 0, 16, 8 * 16, 4, 1, 0});
  const std::uint32_t shuffled = n.op(op_kind::nd_copy, {swapped}, {1, 16, 4, 4}, {0, 0, 16, 4, 1, 0, 0});
  n.output(n.conv(shuffled, 4, 1));
  const prune::channel_graph graph(n.g);
  CHECK(graph.sets().find(graph.axis(a).labels[1]) == graph.sets().find(graph.axis(a).labels[9]));
  CHECK(graph.sets().find(graph.axis(a).labels[1]) != graph.sets().find(graph.axis(a).labels[2]));
  CHECK(graph.axis(shuffled).labels.size() == 16);
  const auto data = samples(16, 1);
  const auto p = prune::pruner::open(n.g, data, {.multiple = 4}, observed());
  REQUIRE_MESSAGE(p, p.error().text);
  const auto half = (*p)->prune(0.5);
  REQUIRE_MESSAGE(half, half.error().text);
  CHECK(half->channels[0] == 8);
  CHECK(sqnr(n.g, half->refitted, data) > 0);
}

TEST_CASE("A network with every coupling is cut to its target and runs") {
  const net n = everything();
  const auto data = samples(32, 1), other = samples(16, 2);
  const auto p = prune::pruner::open(n.g, data, {.multiple = 4}, observed());
  REQUIRE_MESSAGE(p, p.error().text);
  CHECK((*p)->full_cost() == prune::multiply_adds(n.g));
  for (const double keep : {0.75, 0.5, 0.3}) {
    const auto cut = (*p)->prune(keep);
    REQUIRE_MESSAGE(cut, cut.error().text);
    CHECK(static_cast<double>(cut->multiply_adds) <= keep * static_cast<double>((*p)->full_cost()));
    CHECK(static_cast<double>(cut->multiply_adds) >= 0.5 * keep * static_cast<double>((*p)->full_cost()));
    for (const std::int64_t c : cut->channels)
      if (c != 10) CHECK(c % 4 == 0);
    // Measured on data that nothing was fitted to.
    CHECK(sqnr(n.g, cut->refitted, other) > sqnr(n.g, cut->cut, other) + 1.0);
  }
}

TEST_CASE("Nothing is changed where nothing has to go") {
  const net n = everything();
  const auto data = samples(8, 1);
  const auto p = prune::pruner::open(n.g, data, {}, observed(256));
  REQUIRE(p);
  const auto all = (*p)->prune(1.0);
  REQUIRE(all);
  CHECK(sqnr(n.g, all->refitted, data) == 200.0);
}

TEST_CASE("Channels that copies of others could replace are lost without a trace") {
  net n;
  const std::uint32_t x = n.input({1, 3, 8, 8});
  const std::uint32_t a = n.conv(x, 16, 3);
  // Channels 8..15 are channels 0..7 once more.
  for (const std::size_t at : {1u, 2u}) {
    const std::uint32_t v = n.g.ops[0].inputs[at];
    std::vector<std::byte> bytes(n.g.values[v].bytes.begin(), n.g.values[v].bytes.end());
    std::copy_n(bytes.begin(), bytes.size() / 2, bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2));
    n.g.ops[0].inputs[at] = add_constant(n.g, dtype::f32, dim_list(n.g.values[v].dims), bytes);
  }
  n.output(n.conv(a, 8, 3));
  const auto data = samples(16, 3);
  prune::observe_options o = observed();
  o.damping = 1e-9;
  const auto p = prune::pruner::open(n.g, data, {.multiple = 8}, o);
  REQUIRE(p);
  const auto half = (*p)->prune(0.5);
  REQUIRE(half);
  CHECK(half->channels[0] == 8);
  CHECK(sqnr(n.g, half->refitted, samples(8, 4)) > 80.0);
  CHECK(sqnr(n.g, half->cut, samples(8, 4)) < 20.0);
}

TEST_CASE("Smaller networks keep a subset of what larger ones keep") {
  const net n = everything();
  const auto data = samples(8, 1);
  for (const bool even : {false, true}) {
    const auto p = prune::pruner::open(n.g, data, {.multiple = 4, .even = even}, observed(256));
    REQUIRE(p);
    std::vector<bool> last = (*p)->removed(1.0);
    CHECK(std::count(last.begin(), last.end(), true) == 0);
    for (const double keep : {0.8, 0.6, 0.4, 0.2, 0.0}) {
      const std::vector<bool> now = (*p)->removed(keep);
      for (std::size_t c = 0; c < now.size(); ++c) CHECK((!last[c] || now[c]));
      last = now;
    }
    CHECK(std::count(last.begin(), last.end(), true) > 0);
  }
}

TEST_CASE("No calibration data and networks without room are refused") {
  const net n = everything();
  const auto none = samples(0, 1);
  CHECK(prune::pruner::open(n.g, none, {}, observed()).error().code == errc::invalid_argument);
  net small;
  small.output(small.conv(small.input({1, 3, 4, 4}), 8, 3));
  const auto data = samples(2, 1);
  CHECK(prune::pruner::open(small.g, data, {}, observed()).error().code == errc::unsupported);
}
