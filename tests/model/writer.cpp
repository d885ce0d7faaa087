// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/writer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "dsmm/model/info.hpp"
#include "tests/model/every_op_model.hpp"

using dsmm::dtype;
using dsmm::errc;
using dsmm::op_kind;

TEST_CASE("the writer refuses what the loader would refuse, and names it") {
  CHECK(dsmm::model_writer().finish().error().code == errc::bad_value);  // no op, no program

  dsmm::model_writer w;
  const auto x = w.input("x", dtype::u8, {4, 4, 3}, {0.5f, 0});
  const auto y = w.output("y", dtype::u8, {4, 4, 4}, {0.5f, 0});
  w.program("main");
  w.op(op_kind::max_pool, "odd one", {x}, {y}, {1, 1, 1, 1, 0, 0, 0, 0});
  const auto file = w.finish();
  REQUIRE(!file);
  CHECK(file.error().code == errc::shape_mismatch);
  CHECK(std::string(file.error().name) == "odd one");
  CHECK(file.error().where == 0);

  dsmm::model_writer lost = every_op::writer();
  lost.value("never written", dtype::f32, {1, 1, 1});
  const auto unwritten = lost.finish();
  REQUIRE(!unwritten);
  CHECK(unwritten.error().code == errc::bad_layout);
  CHECK(std::string(unwritten.error().name) == "never written");

  dsmm::model_writer early;  // an op before the first program belongs to none
  const auto a = early.input("a", dtype::f32, {1, 1, 4}), b = early.output("b", dtype::f32, {1, 1, 4});
  early.op(op_kind::softmax, "s", {a}, {b});
  early.program("main");
  CHECK(early.finish().error().code == errc::bad_layout);
}

TEST_CASE("a constant whose bytes do not fit its shape is refused") {
  dsmm::model_writer w = every_op::writer();
  const std::array<std::int32_t, 2> two{1, 2};
  w.constant<std::int32_t>("short", {3}, two);
  const auto file = w.finish();
  REQUIRE(!file);
  CHECK(file.error().code == errc::bad_layout);
  CHECK(std::string(file.error().name) == "short");
}

TEST_CASE("finish may be called again after more calls") {
  dsmm::model_writer w = every_op::writer();
  const auto first = w.finish();
  w.meta("name", "later");
  const auto second = w.finish();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(!dsmm::model::open(first->bytes())->meta("name"));
  CHECK(dsmm::model::open(second->bytes())->meta("name") == "later");
}

TEST_CASE("the work of an op follows from its shapes") {
  const auto file = every_op::file();
  const dsmm::model m = *dsmm::model::open(file.bytes());
  const dsmm::work conv = dsmm::work_of(m, m.ops()[0]);
  CHECK(conv.multiply_adds == 8 * 8 * 8 * 3 * 3 * 2);
  CHECK(conv.parameters == 8 * 18 + 8 + 8);
  CHECK(conv.constant_bytes == 8 * 9 + 8 * 4 + 8 * 4);
  CHECK(dsmm::work_of(m, m.ops()[1]).multiply_adds == 8 * 8 * 8 * 9);
  dsmm::work sum;
  for (const auto& op : m.ops(m.programs()[0])) sum += dsmm::work_of(m, op);
  CHECK(dsmm::work_of(m, m.programs()[0]).multiply_adds == sum.multiply_adds);
  CHECK(sum.multiply_adds > conv.multiply_adds);
}
