// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/unroll.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

namespace {

/// state -> state + step, and the state before as a row; stops behind the step whose number is `last`.
std::string body(std::int64_t last) {
  return graph({{node("Cast", {"i"}, {"f"}, {attribute("to", std::int64_t{1})}), node("Add", {"s", "f"}, {"next"}),
                 node("Identity", {"s"}, {"row"}), node("Less", {"i", "last"}, {"more"})},
                {tensor_of<std::int64_t>("last", 7, {}, {last})},
                {info("i", 7, {}), info("c", 9, {}), info("s", 1, {1})},
                {info("more", 9, {}), info("next", 1, {1}), info("row", 1, {1})}});
}

std::string loop(const names& in, const names& out, std::int64_t last, std::int64_t steps) {
  return model(graph({{node("Loop", in, out, {attribute_graph("body", body(last))})},
                      {tensor_of<std::int64_t>("m", 7, {}, {steps}), tensor("yes", 9, {}, std::string(1, '\1'))},
                      {info("x", 1, {1})},
                      {info("y", 1, {})}}));
}

dsmm::convert::import_report refused(const std::string& file) {
  dsmm::convert::import_report report;
  CHECK(!dsmm::convert::import_onnx(bytes(file), imported::options(), &report));
  REQUIRE(!report.issues.empty());
  return report;
}

}  // namespace

TEST_CASE("a loop of known length becomes its steps") {
  CHECK(run(loop({"m", "", "x"}, {"y", ""}, 9, 4), {10}).y == std::vector<float>{10 + 0 + 1 + 2 + 3});
  CHECK(run(loop({"m", "yes", "x"}, {"y"}, 1, 4), {10}).y == std::vector<float>{11 + 2 - 2});
  CHECK(run(loop({"", "yes", "x"}, {"y"}, 2, 0), {10}).y == std::vector<float>{10 + 0 + 1 + 2});
  CHECK(run(loop({"m", "yes", "x"}, {"y"}, 9, 0), {10}).y == std::vector<float>{10});
  const auto rows = run(loop({"m", "", "x"}, {"", "y"}, 9, 3), {10});
  CHECK(rows.dims == dims{3, 1});
  CHECK(rows.y == std::vector<float>{10, 10, 11});
}

TEST_CASE("a loop whose length depends on data, or has no end, is refused with its name") {
  const std::string of_data = model(graph({{node("Cast", {"x"}, {"m"}, {attribute("to", std::int64_t{7})}),
                                            node("Loop", {"m", "", "x"}, {"y"}, {attribute_graph("body", body(9))})},
                                           {},
                                           {info("x", 1, {1})},
                                           {info("y", 1, {})}}));
  CHECK(refused(of_data).issues[0].node == "node_Loop");
  CHECK(refused(loop({"", "yes", "x"}, {"y"}, INT64_MAX, 0)).issues[0].code == dsmm::errc::too_large);
  CHECK(refused(loop({"m", "", "x"}, {"", "y"}, 9, 0)).issues[0].code == dsmm::errc::unsupported);
}

TEST_CASE("what a body lacks is reported once") {
  const std::string lacking = graph({{node("Bogus", {"s"}, {"next"}), node("Identity", {"c"}, {"more"})},
                                     {},
                                     {info("i", 7, {}), info("c", 9, {}), info("s", 1, {1})},
                                     {info("more", 9, {}), info("next", 1, {1})}});
  const std::string file = model(graph({{node("Loop", {"m", "", "x"}, {"y"}, {attribute_graph("body", lacking)})},
                                        {tensor_of<std::int64_t>("m", 7, {}, {5})},
                                        {info("x", 1, {1})},
                                        {info("y", 1, {})}}));
  const auto report = refused(file);
  CHECK(report.issues.size() == 1);
  CHECK(report.issues[0].op == "Bogus");
}

TEST_CASE("a scan walks along any axis, in both directions") {
  const std::string sum = graph({{node("Add", {"s", "e"}, {"next"}), node("Identity", {"next"}, {"row"})},
                                 {},
                                 {info("s", 1, {2}), info("e", 1, {2})},
                                 {info("next", 1, {2}), info("row", 1, {2})}});
  const auto y = [&](const names& out, names attributes) {
    attributes.push_back(attribute_graph("body", sum));
    attributes.push_back(attribute("num_scan_inputs", std::int64_t{1}));
    return run(model(graph({{node("Scan", {"zero", "x"}, out, attributes)},
                            {floats("zero", {2}, {0, 0})},
                            {info("x", 1, {2, 3})},
                            {info("y", 1, {})}})),
               {1, 2, 3, 10, 20, 30})
        .y;
  };
  const std::string along = attribute("scan_input_axes", dims{1});
  CHECK(y({"y", "rows"}, {along}) == std::vector<float>{6, 60});
  CHECK(y({"", "y"}, {along}) == std::vector<float>{1, 10, 3, 30, 6, 60});
  CHECK(y({"", "y"}, {along, attribute("scan_output_axes", dims{-1})}) == std::vector<float>{1, 3, 6, 10, 30, 60});
  CHECK(y({"", "y"}, {along, attribute("scan_input_directions", dims{1})}) == std::vector<float>{3, 30, 5, 50, 6, 60});
  CHECK(y({"", "y"}, {along, attribute("scan_output_directions", dims{1})}) == std::vector<float>{6, 60, 3, 30, 1, 10});
}

TEST_CASE("a list that a loop grows without end is refused") {
  const std::string grow = graph({{node("SequenceInsert", {"s", "x"}, {"next"}), node("Identity", {"c"}, {"more"})},
                                  {},
                                  {info("i", 7, {}), info("c", 9, {}), info("s", 1, {})},
                                  {info("more", 9, {}), info("next", 1, {})}});
  const auto file = [&](std::int64_t steps) {
    return model(
        graph({{node("SequenceEmpty", {}, {"e"}), node("Loop", {"m", "", "e"}, {"s"}, {attribute_graph("body", grow)}),
                node("ConcatFromSequence", {"s"}, {"y"}, {attribute("axis", std::int64_t{0})})},
               {tensor_of<std::int64_t>("m", 7, {}, {steps})},
               {info("x", 1, {1})},
               {info("y", 1, {})}}));
  };
  CHECK(run(file(3), {5}).y == std::vector<float>{5, 5, 5});
  CHECK(refused(file(30'000)).issues[0].code == dsmm::errc::too_large);
}
