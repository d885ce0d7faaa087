// SPDX-License-Identifier: Apache-2.0
#include "dsmm/models/net.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "tests/counted_new.hpp"
#include "tests/graph/sample_models.hpp"

namespace {

/// The tower of the model below: odd extents, a strided 5 x 5 stem on one channel, dilation, groups, a residual.
using tower =
    dsmm::net<dsmm::input<45, 37, 1>, dsmm::conv<10, 5, dsmm::conv_options{.stride = 2, .pad = 2}>, dsmm::relu,
              dsmm::residual<dsmm::conv<10, 3, dsmm::conv_options{.dilation = 3}>, dsmm::relu, dsmm::conv<10, 3>>,
              dsmm::relu, dsmm::max_pool<3, 2, 1>, dsmm::conv<24, 3>, dsmm::relu,
              dsmm::conv<24, 3, dsmm::conv_options{.groups = 3}>, dsmm::avg_pool<2>, dsmm::global_pool,
              dsmm::linear<12>, dsmm::relu, dsmm::linear<3, true>>;
static_assert(tower::out == dsmm::extents{1, 1, 3});
static_assert(tower::weights == 10 * 25 + 2 * 10 * 90 + 24 * 90 + 24 * 72 + 12 * 24 + 3 * 12);
static_assert(tower::arena % 64 == 0 && tower::arena < 120 * 1024);
static_assert(std::is_same_v<tower::output_type, float>);
static_assert(dsmm::net<dsmm::input<9, 9, 3>, dsmm::conv<4, 3, dsmm::conv_options{.pad = 0}>>::out ==
              dsmm::extents{7, 7, 4});

dsmm::model_writer tower_model(bool four_bit, std::int32_t last_relu = 1) {
  using dsmm::op_kind;
  dsmm::model_writer m;
  dsmm::rng random(31);
  const dsmm::quantization q{1.0f / 64, 0}, shifted{1.0f / 32, 121};
  const auto u8 = dsmm::dtype::u8;
  const auto image = m.input("image", u8, {45, 37, 1}, {1.0f / 255, 7});
  const auto a = m.value("a", u8, {23, 19, 10}, q), b = m.value("b", u8, {23, 19, 10}, q);
  const auto c = m.value("c", u8, {23, 19, 10}, shifted), d = m.value("d", u8, {23, 19, 10}, q);
  const auto e = m.value("e", u8, {12, 10, 10}, q), f = m.value("f", u8, {12, 10, 24}, q);
  const auto g = m.value("g", u8, {12, 10, 24}, shifted), h = m.value("h", u8, {6, 5, 24}, shifted);
  const auto i = m.value("i", u8, {1, 1, 24}, shifted), j = m.value("j", u8, {1, 1, 12}, q);
  const auto y = m.output("y", dsmm::dtype::f32, {1, 1, 3});
  const auto stem = samples::add_conv(m, random, 10, 5, 5, 1, false);
  const auto wide = samples::add_conv(m, random, 10, 3, 3, 10, four_bit);
  const auto back = samples::add_conv(m, random, 10, 3, 3, 10, four_bit);
  const auto deep = samples::add_conv(m, random, 24, 3, 3, 10, four_bit);
  const auto parts = samples::add_conv(m, random, 24, 3, 3, 8, four_bit);
  const auto first = samples::add_conv(m, random, 12, 1, 1, 24, four_bit);
  const auto head = samples::add_conv(m, random, 3, 1, 1, 12, false);
  m.program("frame");
  m.op(op_kind::conv2d, "stem", {image, stem.w, stem.bias, stem.scale}, {a}, {2, 2, 2, 2, 2, 2, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "wide", {a, wide.w, wide.bias, wide.scale}, {b}, {1, 1, 3, 3, 3, 3, 3, 3, 1, 1});
  m.op(op_kind::conv2d, "back", {b, back.w, back.bias, back.scale}, {c}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0});
  m.op(op_kind::add, "sum", {a, c}, {d}, {1});
  m.op(op_kind::max_pool, "max", {d}, {e}, {3, 3, 2, 2, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "deep", {e, deep.w, deep.bias, deep.scale}, {f}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "parts", {f, parts.w, parts.bias, parts.scale}, {g}, {1, 1, 1, 1, 1, 1, 1, 1, 3, 0});
  m.op(op_kind::avg_pool, "mean", {g}, {h}, {2, 2, 2, 2, 0, 0, 0, 0});
  m.op(op_kind::avg_pool, "all", {h}, {i}, {0, 0, 1, 1, 0, 0, 0, 0});
  m.op(op_kind::linear, "first", {i, first.w, first.bias, first.scale}, {j}, {last_relu});
  m.op(op_kind::linear, "head", {j, head.w, head.bias, head.scale}, {y}, {0});
  return m;
}

alignas(64) std::byte memory[tower::arena];

}  // namespace

TEST_CASE("a typed net gives the session's bits at every instruction set and thread count, without a heap") {
  for (const bool four_bit : {false, true}) {
    auto usual = samples::load(tower_model(four_bit));
    REQUIRE_MESSAGE(usual, usual.error().text);
    const auto image = *usual->session.find("image"), y = *usual->session.find("y");
    for (const auto& set : dsmm::isa_rows) {
      if (!set.here()) continue;
      CAPTURE(set.name);
      dsmm::thread_pool pool(2);
      std::memset(memory, 0x5A, sizeof(memory));
      const long before = dsmm::test::allocations;
      auto net = tower::open(usual->model, memory, pool.handle(), set.id);
      if (net) net->run();
      CHECK(dsmm::test::allocations == before);
      REQUIRE_MESSAGE(net, net.error().text);
      dsmm::rng random(5);
      for (int run = 0; run < 3; ++run) {
        for (std::int32_t r = 0; r < 45; ++r)
          for (std::int32_t c = 0; c < 37; ++c)
            *net->input().at(r, c) = *usual->session.u8(image).at(r, c) = static_cast<std::uint8_t>(random.below(256));
        usual->session.run();
        net->run();
        CHECK(std::memcmp(net->output().data, usual->session.f32(y).data, 3 * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("a model that is another graph is refused, and says at which op") {
  auto other = samples::load(tower_model(true, 0));
  REQUIRE(other);
  const auto refused = tower::open(other->model, memory);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == dsmm::errc::shape_mismatch);
  CHECK(refused.error().where == 9);
  auto picture = samples::load(samples::picture_net());
  REQUIRE(picture);
  CHECK(tower::open(picture->model, memory).error().code == dsmm::errc::shape_mismatch);
  auto usual = samples::load(tower_model(true));
  REQUIRE(usual);
  const std::span<std::byte> all(memory);
  CHECK(tower::open(usual->model, all.first(all.size() - 64)).error().code == dsmm::errc::arena_too_small);
  CHECK(tower::open(usual->model, all.subspan(1)).error().code == dsmm::errc::arena_too_small);
}
