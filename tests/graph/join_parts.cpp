// SPDX-License-Identifier: Apache-2.0
#include "dsmm/graph/join_parts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dsmm/graph/plan.hpp"
#include "dsmm/graph/self_test.hpp"
#include "tests/graph/sample_models.hpp"

namespace {

using dsmm::dtype;
using dsmm::op_kind;

/// Concats of what convolutions, a pool and another concat write; one part is read by others too, one wants a halo of
/// its own, one has another scale. `detached`: tables that change nothing stand between, so that all is copied.
struct joining_net {
  dsmm::model_writer w;
  dsmm::rng random{11};
  dsmm::quantization q{1.0f / 64, 7}, other{1.0f / 32, 7};
  bool detached;
  std::uint32_t same = 0;

  explicit joining_net(bool apart) : detached(apart) {
    const auto image = w.input("image", dtype::u8, {9, 11, 4}, {1.0f / 255, 0});
    const auto map = w.output("map", dtype::u8, {9, 11, 12}, q), sum = w.output("sum", dtype::u8, {9, 11, 8}, q);
    const auto last = w.output("last", dtype::u8, {9, 11, 5}, q);
    std::vector<std::int32_t> table(256);
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int32_t>(i);
    same = w.constant<std::int32_t>("same", {256}, table);
    w.program("frame");
    const auto a = conv("a", image, 8, 3), b = conv("b", image, 12, 1), s = conv("s", image, 4, 1, other);
    const auto c = value("c", 8);
    w.op(op_kind::max_pool, "pool", {a}, {c}, {3, 3, 1, 1, 1, 1, 1, 1});
    const auto m = value("m", 32);
    w.op(op_kind::concat, "join", {part(a, 8), part(b, 12), part(s, 4, other), part(c, 8)}, {m}, {2});
    const auto d = conv("d", b, 4, 3), n = value("n", 36);
    w.op(op_kind::concat, "nest", {part(m, 32), part(d, 4)}, {n}, {2});
    to("map", m, 32, map, 12, 1);
    to("last", n, 36, last, 5, 3);
    w.op(op_kind::add, "add", {a, c}, {sum}, {0});
  }

  std::uint32_t value(const std::string& name, std::int32_t channels) {
    return w.value(name, dtype::u8, {9, 11, channels}, q);
  }
  std::uint32_t conv(const std::string& name, std::uint32_t x, std::int32_t out, std::int32_t k) {
    return conv(name, x, out, k, q);
  }
  std::uint32_t conv(const std::string& name, std::uint32_t x, std::int32_t out, std::int32_t k,
                     dsmm::quantization scale) {
    const auto y = w.value(name, dtype::u8, {9, 11, out}, scale);
    const auto k_in = name == "d" ? 12 : 4;
    const auto c = samples::add_conv(w, random, out, k, k, k_in, false);
    w.op(op_kind::conv2d, name, {x, c.w, c.bias, c.scale}, {y}, {1, 1, k / 2, k / 2, k / 2, k / 2, 1, 1, 1, 0});
    return y;
  }
  void to(const std::string& name, std::uint32_t x, std::int32_t in, std::uint32_t y, std::int32_t out,
          std::int32_t k) {
    const auto c = samples::add_conv(w, random, out, k, k, in);
    w.op(op_kind::conv2d, name, {x, c.w, c.bias, c.scale}, {y}, {1, 1, k / 2, k / 2, k / 2, k / 2, 1, 1, 1, 0});
  }
  std::uint32_t part(std::uint32_t x, std::int32_t channels) { return part(x, channels, q); }
  std::uint32_t part(std::uint32_t x, std::int32_t channels, dsmm::quantization scale) {
    if (!detached) return x;
    const auto y = w.value("", dtype::u8, {9, 11, channels}, scale);
    w.op(op_kind::lut, "same", {x, same}, {y});
    return y;
  }
};

std::size_t parts_of(const dsmm::model_writer& w) {
  const auto file = w.finish();
  REQUIRE(file);
  const auto model = dsmm::model::open(file->bytes());
  const auto plan = dsmm::make_plan(*model, dsmm::isa::generic);
  REQUIRE(plan);
  return static_cast<std::size_t>(
      std::count_if(plan->tensors.begin(), plan->tensors.end(), [](const auto& t) { return t.part; }));
}

}  // namespace

TEST_CASE("parts of a concat lie in it, unless they want a halo or have another scale") {
  CHECK(parts_of(joining_net(true).w) == 0);
  CHECK(parts_of(joining_net(false).w) == 4);  // a, c, m, d; not b (its halo) and s (its scale)
}

TEST_CASE("what is written in place has the bits of what is copied") {
  const joining_net placed(false), copied(true);
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    CAPTURE(dsmm::to_string(set.id));
    const dsmm::session_options options{.exec = {}, .level = set.id};
    auto a = samples::load(placed.w, options), b = samples::load(copied.w, options);
    REQUIRE(a);
    REQUIRE(b);
    for (std::uint64_t seed = 0; seed < 3; ++seed)
      CHECK(dsmm::run_digest(a->session, 0, seed, 2) == dsmm::run_digest(b->session, 0, seed, 2));
  }
}
