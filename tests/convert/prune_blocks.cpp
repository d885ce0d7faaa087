// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/prune/block_sparsity.hpp"

#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include "dsmm/convert/prune/agreement.hpp"
#include "tests/convert/prune_case.hpp"

using namespace prune_case;

namespace {

prune::observe_options observed() {
  prune::observe_options o;
  o.positions = 2048;
  o.session = options();
  return o;
}

/// Blocks of 4 inputs x 32 outputs with any weight in them, as a share.
double density_of(const lowered_graph& g, const prune::mixing_layer& l) {
  const std::vector<float> w = prune::weights_of(g, l);
  std::size_t held = 0, all = 0;
  for (std::int64_t row = 0; row < l.out; row += 32)
    for (std::int64_t tap = 0; tap < l.taps; ++tap)
      for (std::int64_t quad = 0; quad < l.in; quad += 4) {
        bool any = false;
        for (std::int64_t o = row; o < std::min(row + 32, l.out); ++o)
          for (std::int64_t i = quad; i < std::min(quad + 4, l.in); ++i)
            any = any || w[static_cast<std::size_t>(o * l.depth() + i * l.taps + tap)] != 0.0f;
        ++all, held += any;
      }
  return static_cast<double>(held) / static_cast<double>(all);
}

}  // namespace

TEST_CASE("Half of the blocks become zero, stay zero when the rest is refitted, and the refit pays") {
  net n;
  const std::uint32_t x = n.input({1, 3, 8, 8});
  const std::uint32_t a = n.conv(x, 32, 3);
  const std::uint32_t b = n.conv(a, 64, 3, 1), c = n.conv(b, 32, 1, 1, a);
  n.output(n.linear(n.flatten(n.max_pool(c)), 10));
  const auto data = samples(48, 1), other = samples(16, 2);
  const auto sparse = prune::prune_blocks(n.g, data, {.drop = 0.5}, observed());
  REQUIRE_MESSAGE(sparse, sparse.error().text);
  CHECK(sparse->multiply_adds < 0.6 * static_cast<double>(prune::multiply_adds(n.g)));
  const auto layers = prune::mixing_layers(sparse->refitted);
  REQUIRE(layers.size() == 4);
  CHECK(sparse->density[0] == 1.0);  // three inputs
  for (std::size_t i = 0; i < layers.size(); ++i) {
    CHECK(density_of(sparse->refitted, layers[i]) <= sparse->density[i] + 1e-9);
    CHECK(density_of(sparse->refitted, layers[i]) >= 0.1);
  }
  const auto y = prune::record_outputs(n.g, other, options());
  const auto zeroed = prune::record_outputs(sparse->zeroed, other, options());
  const auto refitted = prune::record_outputs(sparse->refitted, other, options());
  REQUIRE(y);
  REQUIRE(zeroed);
  REQUIRE(refitted);
  CHECK(prune::compare_outputs(n.g, *y, *refitted).sqnr_db > prune::compare_outputs(n.g, *y, *zeroed).sqnr_db + 1.0);
}

TEST_CASE("A network without blocks is refused") {
  net n;
  n.output(n.conv(n.input({1, 3, 4, 4}), 8, 3));
  const auto data = samples(2, 1);
  const auto sparse = prune::prune_blocks(n.g, data, {}, observed());
  CHECK_FALSE(sparse);
  CHECK(sparse.error().code == errc::unsupported);
}
