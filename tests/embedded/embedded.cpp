// SPDX-License-Identifier: Apache-2.0
#include "dsmm/graph/embedded.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/graph/self_test.hpp"
#include "every_op_net.hpp"
#include "general_net.hpp"
#include "picture_net.hpp"
#include "tests/counted_new.hpp"
#include "tests/embedded/general_model.hpp"
#include "tests/graph/sample_models.hpp"
#include "tests/model/every_op_model.hpp"

// What is known when the program is compiled.
static_assert(picture_net::net::image_shape == std::array<std::int32_t, 3>{53, 53, 1});
static_assert(picture_net::net::score_shape == std::array<std::int32_t, 3>{1, 1, 3});
static_assert(picture_net::arena_bytes == sizeof(picture_net::memory));
static_assert(decltype(std::declval<general_net::net>().class2())::extent == 35);
static_assert(std::string_view(general_net::ports[0].name) == "class");
static_assert(std::string_view(general_net::ports[2].name) == "gr\xC3\xB6\xC3\x9F" "e \"2\"?");
static_assert(!std::is_default_constructible_v<picture_net::net>, "what runs has been opened");

namespace {

/// The emitted net gives the bits of a session on the same file, at every instruction set, and asks for no memory.
template <class Memory, class Open>
void check_same(const dsmm::model_writer& writer, dsmm::ops::find_operator general, Memory& memory, Open open) {
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    CAPTURE(set.name);
    auto usual = samples::load(writer, {.exec = {}, .level = set.id, .general = general});
    REQUIRE(usual);
    std::memset(&memory, 0xA5, sizeof(memory));
    const long before = dsmm::test::allocations;
    auto net = open(memory, dsmm::executor{}, set.id);
    if (net) net->run();
    const long after = dsmm::test::allocations;
    REQUIRE_MESSAGE(net, net.error().text);
    CHECK(after == before);
    CHECK(net->session().source().identity() == usual->model.identity());
    for (std::uint32_t p = 0; p < usual->model.programs().size(); ++p)
      CHECK(dsmm::run_digest(net->session(), p, 23, 3) == dsmm::run_digest(usual->session, p, 23, 3));
  }
}

}  // namespace

TEST_CASE("an emitted header computes the session's bits without a heap") {
  static picture_net::memory picture;
  check_same(samples::picture_net(53), nullptr, picture,
             [](auto& m, auto exec, auto level) { return picture_net::open(m, exec, level); });
  static every_op_net::memory every;
  check_same(every_op::writer(), nullptr, every,
             [](auto& m, auto exec, auto level) { return every_op_net::open(m, exec, level); });
  static general_net::memory general;
  check_same(samples::general_net(), &dsmm::ops::nd::find_definition, general,
             [](auto& m, auto exec, auto level) { return general_net::open(m, exec, level); });
}

TEST_CASE("accessors by name reach what find() reaches") {
  auto net = picture_net::open();
  REQUIRE(net);
  CHECK(net->image().data == net->session().u8(*net->session().find("image")).data);
  CHECK(net->score().data == net->session().f32(*net->session().find("score")).data);
  CHECK(std::string_view(picture_net::identity) == net->session().source().short_identity().data());
  const auto x = net->image();
  for (std::int32_t y = 0; y < x.shape.h; ++y)
    for (std::int32_t i = 0; i < x.shape.w; ++i) *x.at(y, i) = static_cast<std::uint8_t>(y * i);
  net->run_frame();
  const float first = net->score().data[0];
  *x.at(20, 20) ^= 0x80;
  net->run_frame();
  CHECK(net->score().data[0] != first);

  auto general = general_net::open();
  REQUIRE(general);
  for (float& v : general->class2()) v = 0.25f;
  general->run_main();
  CHECK(general->head_Tanh_output()[15] == doctest::Approx(0.244918).epsilon(1e-5));
  CHECK(general->gr_e_2().size() == 35);
}

TEST_CASE("two instances in memory of their own do not see each other") {
  static picture_net::memory one, two;
  auto a = picture_net::open(one), b = picture_net::open(two);
  REQUIRE(a);
  REQUIRE(b);
  std::memset(a->image().data, 200, 50);
  std::memset(b->image().data, 10, 50);
  a->run();
  const float score = a->score().data[1];
  b->run();
  CHECK(a->score().data[1] == score);
}

TEST_CASE("the bytes of the file are those of the model") {
  const auto file = samples::picture_net(53).finish();
  REQUIRE(file);
  const auto bytes = picture_net::source::file();
  REQUIRE(bytes.size() == file->bytes().size());
  CHECK(std::memcmp(bytes.data(), file->bytes().data(), bytes.size()) == 0);
}
