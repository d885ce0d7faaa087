// SPDX-License-Identifier: Apache-2.0
#include "dsmm/graph/plan.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "dsmm/graph/self_test.hpp"
#include "tests/counted_new.hpp"
#include "tests/graph/sample_models.hpp"
#include "tests/inspect/sample_line.hpp"
#include "tests/model/every_op_model.hpp"

namespace {

struct plan_case {
  const char* name;
  dsmm::model_writer writer;
};
std::vector<plan_case> plan_cases() {
  return {{"picture", samples::picture_net(53)}, {"line", samples::line_net()}, {"every op", every_op::writer()}};
}

}  // namespace

TEST_CASE("a finished plan: the same bits at every instruction set, and no allocation in prepare and run") {
  for (const plan_case& c : plan_cases()) {
    CAPTURE(c.name);
    const auto file = c.writer.finish();
    REQUIRE(file);
    const auto model = dsmm::model::open(file->bytes());
    REQUIRE(model);
    const auto plan = dsmm::make_portable_plan(*model);
    REQUIRE(plan);
    std::vector<std::byte> memory;
    const auto arena = samples::loaded::aligned(memory, dsmm::session::required(plan->view()));
    for (const auto& set : dsmm::isa_rows) {
      if (!set.here()) continue;
      const dsmm::session_options options{.exec = {}, .level = set.id};
      const auto usual = samples::load(c.writer, options);
      REQUIRE(usual);
      const long before = dsmm::test::allocations;
      const auto opened = dsmm::model::open(file->bytes());
      auto session = dsmm::session::prepare(*opened, arena, plan->view(), options);
      const bool ready = session.has_value();
      if (ready)
        for (std::uint32_t p = 0; p < model->programs().size(); ++p) session->run(p);
      const long after = dsmm::test::allocations;
      REQUIRE_MESSAGE(ready, session.error().text);
      CHECK(after == before);
      dsmm::session other = usual->session;
      for (std::uint32_t p = 0; p < model->programs().size(); ++p)
        CHECK(dsmm::run_digest(*session, p, 3, 3) == dsmm::run_digest(other, p, 3, 3));
    }
  }
}

TEST_CASE("the counter sees the planner, so it would see an allocation of prepare") {
  const auto file = samples::picture_net().finish();
  REQUIRE(file);
  const auto model = dsmm::model::open(file->bytes());
  const long before = dsmm::test::allocations;
  REQUIRE(dsmm::session::required(*model));
  CHECK(dsmm::test::allocations > before);
}

TEST_CASE("weights are unpacked behind everything that is kept") {
  for (const plan_case& c : plan_cases()) {
    const auto file = c.writer.finish();
    const auto model = dsmm::model::open(file->bytes());
    const auto plan = dsmm::make_plan(*model, dsmm::isa::generic);
    REQUIRE(plan);
    CHECK(plan->temporary <= plan->scratch);
    CHECK(plan->scratch <= plan->bytes);
    for (std::size_t i = 0; i < plan->tensors.size(); ++i)
      if (model->tensors()[i].kind != dsmm::format::tensor_kind::value && plan->tensors[i].bytes != 0)
        CHECK(plan->tensors[i].offset + plan->tensors[i].bytes <= plan->temporary);
    for (const auto& op : plan->ops) CHECK(op.offset + op.bytes <= plan->temporary);
  }
}

TEST_CASE("a plan of another model, or one that gives too little, is refused") {
  const auto file = samples::picture_net().finish();
  REQUIRE(file);
  const auto model = dsmm::model::open(file->bytes());
  auto plan = dsmm::make_portable_plan(*model);
  REQUIRE(plan);
  std::vector<std::byte> memory;
  const auto arena = samples::loaded::aligned(memory, dsmm::session::required(plan->view()));
  REQUIRE(dsmm::session::prepare(*model, arena, plan->view()));
  const auto code = [&](const dsmm::plan_view& view, std::span<std::byte> bytes) {
    const auto session = dsmm::session::prepare(*model, bytes, view);
    return session ? dsmm::errc::ok : session.error().code;
  };
  CHECK(code(plan->view(), arena.first(arena.size() - 1)) == dsmm::errc::arena_too_small);
  CHECK(code(plan->view(), arena.subspan(1)) == dsmm::errc::arena_too_small);
  dsmm::plan_view cut = plan->view();
  cut.ops = cut.ops.first(cut.ops.size() - 1);
  CHECK(code(cut, arena) == dsmm::errc::shape_mismatch);
  cut = plan->view();
  cut.temporary = cut.bytes / 64 * 64;
  CHECK(code(cut, arena) == dsmm::errc::too_large);
  for (std::size_t i = 0; i < plan->ops.size(); ++i) {
    const auto was = plan->ops[i];
    if (was.bytes == 0) continue;
    plan->ops[i].offset += 1;
    CHECK(code(plan->view(), arena) == dsmm::errc::too_large);
    plan->ops[i] = {plan->bytes / 64 * 64, was.bytes};
    CHECK(code(plan->view(), arena) == dsmm::errc::too_large);
    plan->ops[i] = {was.offset, 0};
    CHECK(code(plan->view(), arena) == dsmm::errc::too_large);
    plan->ops[i] = was;
  }
  const auto image = *model->find_tensor("image");
  plan->tensors[image].layout.top = 0;
  CHECK(code(plan->view(), arena) == dsmm::errc::too_large);
}

TEST_CASE("an observer sees every op of the program in order, and the result is that of run()") {
  auto net = samples::load(every_op::writer());
  REQUIRE(net);
  const auto& programs = net->model.programs();
  for (std::uint32_t p = 0; p < programs.size(); ++p) {
    net->session.reset();
    std::vector<std::uint32_t> seen;
    net->session.run_observed(p, [&](std::uint32_t op) { seen.push_back(op); });
    REQUIRE(seen.size() == programs[p].op_count);
    for (std::uint32_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == programs[p].first_op + i);
  }
}
