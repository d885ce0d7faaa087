// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/model.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>

#include "tests/model/every_op_model.hpp"

TEST_CASE("a model hands out what was written") {
  const auto file = every_op::writer().finish();
  REQUIRE_MESSAGE(file, file.error().text, " ", file.error().name, " ", file.error().where);
  const auto opened = dsmm::model::open(file->bytes());
  REQUIRE(opened);
  const dsmm::model& m = *opened;

  REQUIRE(m.programs().size() == 3);
  CHECK(m.find_program("frame") == 0u);
  CHECK(m.find_program("hop") == 1u);
  CHECK(!m.find_program("train"));
  CHECK(m.ops(m.programs()[1]).size() == 7);

  std::set<std::uint32_t> kinds;
  for (const auto& op : m.ops()) kinds.insert(op.kind);
  CHECK(kinds.size() == std::size(dsmm::op_signatures));  // the model lives up to its name

  const auto image = m.find_tensor("image");
  REQUIRE(image);
  CHECK(m.tensors()[*image].dims[0] == 16);
  CHECK(m.constant(*image).empty());
  CHECK(!m.find_tensor("conv.w"));  // constants are not addressed by name
  const std::uint32_t w = m.inputs(m.ops()[0])[1];
  CHECK(m.name(m.tensors()[w].name) == "conv.w");
  CHECK(m.constant(w).size() == 8 * 9);
  CHECK(reinterpret_cast<std::uintptr_t>(m.constant(w).data()) % 64 == 0);

  CHECK(m.meta("product") == "every operator");
  CHECK(m.meta("threshold.image") == "0.5");
  CHECK(m.meta("version") == "1");
  CHECK(!m.meta("thresh"));
  CHECK(!m.meta(""));
  CHECK(std::string(m.short_identity().data()).size() == 16);
}

TEST_CASE("the same calls give the same bytes, other weights another identity") {
  const auto a = every_op::file(), b = every_op::file();
  REQUIRE(a.bytes().size() == b.bytes().size());
  CHECK(std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0);
  dsmm::model_writer other = every_op::writer();
  other.meta("version", "2");
  const auto c = other.finish();
  REQUIRE(c);
  const auto first = dsmm::model::open(a.bytes()), second = dsmm::model::open(c->bytes());
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->identity() != second->identity());
  CHECK(second->meta("version") == "2");
}

TEST_CASE("bytes that are not aligned are refused, not read") {
  const auto file = every_op::file();
  auto shifted = dsmm::file_bytes::allocate(file.bytes().size() + 64);
  REQUIRE(shifted);
  std::memcpy(shifted->bytes().data() + 8, file.bytes().data(), file.bytes().size());
  const auto m = dsmm::model::open(shifted->bytes().subspan(8, file.bytes().size()));
  REQUIRE(!m);
  CHECK(m.error().code == dsmm::errc::invalid_argument);
}
