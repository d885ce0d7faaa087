// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/prune/block_sparsity.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/prune/agreement.hpp"
#include "dsmm/convert/quantize/quantize.hpp"
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

TEST_CASE("Blocks that were zeroed are zero after quantization, at 8 and at 4 bits") {
  net n;
  const std::uint32_t a = n.conv(n.input({1, 3, 8, 8}), 32, 3);
  n.output(n.linear(n.flatten(n.max_pool(n.conv(n.conv(a, 64, 3), 32, 1))), 10));
  const auto data = samples(32, 1);
  auto sparse = prune::prune_blocks(n.g, data, {.drop = 0.5}, observed());
  REQUIRE(sparse);
  const auto layers = prune::mixing_layers(sparse->refitted);
  auto file = emit_model(sparse->refitted, {});
  REQUIRE(file);
  const auto m = *model::open(std::as_const(*file).bytes());
  for (const std::int32_t bits : {8, 4}) {
    quantize_options o;
    o.bits = bits;
    o.max_loss = 100;
    o.run.general = &ops::nd::find_definition;
    const auto made = quantize_model(m, {data.count, data.load}, o);
    REQUIRE_MESSAGE(made, std::string(made ? "" : made.error().text));
    const auto q = *model::open(made->bytes());
    std::size_t checked = 0;
    for (const format::op_row& op : q.ops()) {
      if (static_cast<op_kind>(op.kind) != op_kind::conv2d) continue;
      const format::tensor_row& t = q.tensors()[q.inputs(op)[1]];
      if (t.dims[3] < 8) continue;  // the first layer keeps its weights
      const auto same = std::find_if(layers.begin(), layers.end(), [&](const prune::mixing_layer& l) {
        return l.out == t.dims[0] && l.taps == t.dims[1] * t.dims[2] && l.in == t.dims[3];
      });
      if (same == layers.end()) continue;  // a product of flattened pixels: its quads are others
      ++checked;
      const auto bytes = q.constant(q.inputs(op)[1]);
      const auto depth = static_cast<std::size_t>(t.dims[1] * t.dims[2] * t.dims[3]);
      const auto is_zero = [&](std::size_t row, std::size_t k) {
        if (static_cast<dtype>(t.type) == dtype::s8) return bytes[row * depth + k] == std::byte{0};
        const auto pair = std::to_integer<unsigned>(bytes[row * ((depth + 1) / 2) + k / 2]);
        return (k % 2 == 0 ? pair & 15u : pair >> 4) == 8;
      };
      std::size_t held = 0, all = 0;
      for (std::size_t row = 0; row < static_cast<std::size_t>(t.dims[0]); row += 32)
        for (std::size_t k = 0; k < depth; k += 4, ++all) {
          bool any = false;
          for (std::size_t r = row; r < row + 32; ++r)
            for (std::size_t i = k; i < k + 4; ++i) any = any || !is_zero(r, i);
          held += any;
        }
      const double density = sparse->density[static_cast<std::size_t>(same - layers.begin())];
      CHECK(static_cast<double>(held) / static_cast<double>(all) <= density + 1e-9);
    }
    CHECK(checked == 2);
  }
}

TEST_CASE("A network without blocks is refused") {
  net n;
  n.output(n.conv(n.input({1, 3, 4, 4}), 8, 3));
  const auto data = samples(2, 1);
  const auto sparse = prune::prune_blocks(n.g, data, {}, observed());
  CHECK_FALSE(sparse);
  CHECK(sparse.error().code == errc::unsupported);
}
