// SPDX-License-Identifier: Apache-2.0
#include "dsmm/graph/session.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/self_test.hpp"
#include "tests/graph/sample_models.hpp"

namespace {

std::vector<std::uint8_t> bytes_of(const dsmm::session& s, std::uint32_t tensor) {
  std::vector<std::uint8_t> out;
  dsmm::detail::each_pixel(s, tensor, [&](auto row) {
    const auto raw = std::as_bytes(row);
    for (const std::byte b : raw) out.push_back(std::to_integer<std::uint8_t>(b));
  });
  return out;
}

}  // namespace

TEST_CASE("prepare needs exactly what required() says, and aligned") {
  auto file = samples::picture_net().finish();
  REQUIRE(file);
  auto model = dsmm::model::open(file->bytes());
  REQUIRE(model);
  const auto bytes = dsmm::session::required(*model);
  REQUIRE(bytes);
  std::vector<std::byte> memory;
  const auto arena = samples::loaded::aligned(memory, *bytes);
  CHECK(dsmm::session::prepare(*model, arena));
  CHECK(dsmm::session::prepare(*model, arena.first(arena.size() - 1)).error().code == dsmm::errc::arena_too_small);
  CHECK(dsmm::session::prepare(*model, arena.subspan(1)).error().code == dsmm::errc::arena_too_small);
}

TEST_CASE("an unknown tensor name is an error that names it") {
  auto net = samples::load(samples::picture_net());
  REQUIRE(net);
  CHECK(net->session.find("map"));
  const auto missing = net->session.find("no such\ntensor");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == dsmm::errc::not_found);
  CHECK(std::string_view(missing.error().name) == "no such?tensor");
}

TEST_CASE("results do not depend on threads, on what the arena held, or on runs before") {
  auto reference = samples::load(samples::picture_net());
  REQUIRE(reference);
  const auto golden = dsmm::run_digest(reference->session, 0, 11, 3);
  CHECK(golden == dsmm::run_digest(reference->session, 0, 11, 3));
  CHECK(golden != dsmm::run_digest(reference->session, 0, 12, 3));
  for (std::uint32_t width = 1; width <= 8; ++width) {
    dsmm::thread_pool pool(width);
    auto net = samples::load(samples::picture_net(), {.exec = pool.handle(), .level = {}});
    REQUIRE(net);
    CHECK(dsmm::run_digest(net->session, 0, 11, 3) == golden);
  }
}

TEST_CASE("every instruction set of this machine gives the bits of generic") {
  auto reference = samples::load(samples::picture_net(61), {.exec = {}, .level = dsmm::isa::generic});
  REQUIRE(reference);
  const auto golden = dsmm::run_digest(reference->session, 0, 5, 4);
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    auto net = samples::load(samples::picture_net(61), {.exec = {}, .level = set.id});
    REQUIRE(net);
    CHECK_MESSAGE(dsmm::run_digest(net->session, 0, 5, 4) == golden, set.name);
  }
}

TEST_CASE("inputs keep their values from run to run") {
  auto net = samples::load(samples::picture_net());
  REQUIRE(net);
  const auto image = *net->session.find("image"), map = *net->session.find("map");
  dsmm::rng random(3);
  dsmm::detail::each_pixel(net->session, image, [&]<class T>(std::span<T> row) {
    for (T& v : row) v = static_cast<T>(random.below(256));
  });
  net->session.run();
  const auto first = bytes_of(net->session, map);
  net->session.run();
  CHECK(bytes_of(net->session, map) == first);
}

TEST_CASE("a causal convolution cut into runs of any length equals one long run") {
  using dsmm::op_kind;
  constexpr std::int32_t total = 60, channels = 6;
  const dsmm::quantization q{0.02f, 9};
  const auto stream = [&](std::int32_t steps) {
    dsmm::model_writer m;
    dsmm::rng random(21);
    const auto x = m.input("x", dsmm::dtype::u8, {steps, 1, channels}, q);
    const auto past1 = m.state("past1", dsmm::dtype::u8, {2 * 3, 1, channels}, q);
    const auto past2 = m.state("past2", dsmm::dtype::u8, {4 * 1, 1, 9}, q);
    const auto a = m.value("a", dsmm::dtype::u8, {steps, 1, 9}, q);
    const auto y = m.output("y", dsmm::dtype::u8, {steps, 1, 5}, q);
    const auto w1 = samples::add_conv(m, random, 9, 3, 1, channels), w2 = samples::add_conv(m, random, 5, 5, 1, 9);
    m.program("hop");
    m.op(op_kind::causal_conv1d, "first", {x, w1.w, w1.bias, w1.scale, past1}, {a}, {3, 1});
    m.op(op_kind::causal_conv1d, "second", {a, w2.w, w2.bias, w2.scale, past2}, {y}, {1, 0});
    return m;
  };
  const auto run_in_steps = [&](std::int32_t steps) {
    auto net = samples::load(stream(steps));
    REQUIRE(net);
    const auto x = *net->session.find("x"), y = *net->session.find("y");
    dsmm::rng random(4);
    std::vector<std::uint8_t> out;
    for (std::int32_t t = 0; t < total; t += steps) {
      dsmm::detail::each_pixel(net->session, x, [&]<class T>(std::span<T> row) {
        for (T& v : row) v = static_cast<T>(random.below(256));
      });
      net->session.run();
      const auto part = bytes_of(net->session, y);
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  };
  const auto offline = run_in_steps(total);
  for (const std::int32_t steps : {1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30}) CHECK(run_in_steps(steps) == offline);
}
