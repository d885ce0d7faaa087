// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/prune/nested_levels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/prune/agreement.hpp"
#include "dsmm/convert/prune/pruner.hpp"
#include "dsmm/graph/elastic_session.hpp"
#include "dsmm/graph/self_test.hpp"
#include "tests/convert/prune_case.hpp"

using namespace prune_case;

namespace {

/// Residual sum, depthwise, concatenation, a copy that splits, a grouped convolution, flatten and a product.
net branches() {
  net n;
  const std::uint32_t x = n.input({1, 3, 8, 8});
  const std::uint32_t a = n.conv(x, 16, 3);
  const std::uint32_t b = n.conv(n.conv(a, 24, 1), 24, 3, 24);
  const std::uint32_t d = n.conv(b, 16, 1, 1, a);
  const std::uint32_t e = n.concat(n.conv(d, 16, 1), n.conv(d, 8, 3));
  const std::uint32_t low = n.op(op_kind::nd_copy, {e}, {1, 12, 8, 8}, {0, 0, 64, 8, 1, 0, 0});
  const std::uint32_t high = n.op(op_kind::nd_copy, {e}, {1, 12, 8, 8}, {12 * 64, 0, 64, 8, 1, 0, 0});
  const std::uint32_t f = n.concat(low, n.conv(high, 12, 3, 2));
  n.output(n.linear(n.flatten(n.max_pool(n.conv(f, 16, 3))), 10));
  return n;
}

prune::observe_options observed() {
  prune::observe_options o;
  o.positions = 1024;
  o.session = options();
  return o;
}

file_bytes emitted(const lowered_graph& g) {
  lowered_graph copy = g;
  auto file = emit_model(copy, {});
  REQUIRE_MESSAGE(file, std::string(file ? "" : file.error().text));
  return std::move(*file);
}

struct family {
  file_bytes joined;
  std::vector<file_bytes> alone;       ///< by level, from 1: the file that was joined
  std::vector<file_bytes> independent;  ///< by level, from 1: what the pruner gives for that share
};

family nested(const net& n, const std::vector<double>& shares, bool correct) {
  const auto data = samples(32, 1);
  const auto p = prune::pruner::open(n.g, data, {.multiple = 4}, observed());
  REQUIRE_MESSAGE(p, std::string(p ? "" : p.error().text));
  const lowered_graph tags = prune::addresses_of(n.g);
  const auto base = (*p)->prune(shares[0]);
  REQUIRE(base);
  const file_bytes large = emitted(base->refitted);
  const auto m = *model::open(large.bytes());
  const auto base_tags = (*p)->cut(tags, shares[0]);
  family out;
  std::vector<level_source> levels;
  for (std::size_t k = 1; k < shares.size(); ++k) {
    auto level = (*p)->prune(shares[k]);
    REQUIRE(level);
    out.independent.push_back(emitted(level->refitted));
    const auto level_tags = (*p)->cut(tags, shares[k]);
    REQUIRE(level_tags);
    auto pieces = prune::nest_level(n.g, base->refitted, *base_tags, m, level->refitted, *level_tags, correct);
    out.alone.push_back(emitted(level->refitted));
    levels.push_back({static_cast<float>(shares[k]), *model::open(out.alone.back().bytes()), std::move(pieces)});
  }
  auto joined = join_levels(m, static_cast<float>(shares[0]), levels);
  REQUIRE_MESSAGE(joined, std::string(joined ? "" : joined.error().text));
  out.joined = std::move(*joined);
  return out;
}

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

TEST_CASE("Levels with weights of their own are, bit for bit, what the pruner gives for each share") {
  const family f = nested(branches(), {1.0, 0.5, 0.3}, false);
  const auto m = *model::open(f.joined.bytes());
  REQUIRE(level_count(m) == 3);
  for (std::uint32_t k = 1; k < 3; ++k)
    CHECK(same((*extract_level(m, k))->file(), f.independent[k - 1].bytes()));
}

TEST_CASE("Corrected levels are blocks of the largest network and a fifth of the weights, and nearly as good") {
  const net n = branches();
  for (const std::vector<double>& shares : {std::vector{1.0, 0.6, 0.3}, std::vector{0.7, 0.4}}) {
    const family own = nested(n, shares, false), f = nested(n, shares, true);
    const auto m = *model::open(f.joined.bytes());
    REQUIRE(level_count(m) == shares.size());
    CHECK(f.joined.bytes().size() < own.joined.bytes().size());
    std::size_t blocks = 0;
    for (const auto& piece : m.rows().variants.pieces) blocks += piece.form != format::piece_form::own;
    CHECK(blocks >= m.rows().variants.pieces.size() / 3);  // the rest are biases and small constants
    for (std::uint32_t k = 1; k < level_count(m); ++k) {
      const auto level = extract_level(m, k);
      REQUIRE_MESSAGE(level, std::string(level ? "" : level.error().text));
      CHECK(same((*level)->file(), f.alone[k - 1].bytes()));
      const auto exact = *model::open(f.independent[k - 1].bytes());
      const auto a = read_graph(exact), b = read_graph(**level);
      const auto data = samples(8, 2);
      const auto y = prune::record_outputs(*a, data, options()), z = prune::record_outputs(*b, data, options());
      CHECK(prune::compare_outputs(*a, *y, *z).sqnr_db > 35.0);
    }
  }
}

TEST_CASE("A nested file of f32 levels runs each of them without preparation in between") {
  const family f = nested(branches(), {1.0, 0.5, 0.3}, true);
  const auto m = *model::open(f.joined.bytes());
  auto memory = file_bytes::allocate(*elastic_session::required(m, options()));
  auto levels = elastic_session::prepare(m, memory->bytes(), options());
  REQUIRE_MESSAGE(levels, std::string(levels ? "" : levels.error().text));
  for (int round = 0; round < 2; ++round)
    for (std::uint32_t k = 1; k < 3; ++k) {
      const auto alone = *model::open(f.alone[k - 1].bytes());
      auto arena = file_bytes::allocate(*session::required(alone, options()));
      auto s = session::prepare(alone, arena->bytes(), options());
      CHECK(run_digest(levels->at(k), 0, 3, 2) == run_digest(*s, 0, 3, 2));
    }
}
