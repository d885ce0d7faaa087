// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/node_order.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("nodes may stand before those that give their inputs") {
  const std::string neg = graph({{node("Neg", {"a"}, {"e"})}, {}, {}, {info("e", 1, {})}});
  const std::string file = model(
      graph({{node("Add", {"b", "a"}, {"y"}),
              node("If", {"yes"}, {"b"}, {attribute_graph("then_branch", neg), attribute_graph("else_branch", neg)}),
              node("Relu", {"x"}, {"a"})},
             {tensor("yes", 9, {}, std::string(1, '\1'))},
             {info("x", 1, {2})},
             {info("y", 1, {})}}));
  CHECK(run(file, {-1, 2}).y == std::vector<float>{0, 0});
}

TEST_CASE("what is in order stays as it is, and a cycle is refused by name") {
  std::vector<dsmm::convert::onnx::node> nodes(3);
  nodes[0].outputs = {"a"};
  nodes[1].outputs = {"b"};
  nodes[2].inputs = {"b", "a"};
  const auto order = dsmm::convert::in_order(nodes);
  REQUIRE(order.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(order[i] == &nodes[i]);

  const std::string cycle =
      model(graph({{node("Relu", {"b"}, {"a"}), node("Relu", {"a"}, {"b"}), node("Neg", {"x"}, {"y"})},
                   {},
                   {info("x", 1, {2})},
                   {info("y", 1, {})}}));
  dsmm::convert::import_report report;
  CHECK(!dsmm::convert::import_onnx(bytes(cycle), imported::options(), &report));
  REQUIRE(!report.issues.empty());
  CHECK(report.issues[0].code == dsmm::errc::bad_index);
}
