// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/tree_ensemble.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

namespace {

/// Tree 0: x0 <= 1 ? leaf 1 : (x1 <= 5 ? leaf 3 : leaf 4), where NaN goes the first way; tree 1: one leaf.
names nodes(const dims& yes = {1, 0, 3, 0, 0, 0}) {
  message modes;
  modes.text(1, "nodes_modes");
  for (const char* m : {"BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"}) modes.text(9, m);
  return {attribute("nodes_treeids", dims{0, 0, 0, 0, 0, 1}),
          attribute("nodes_nodeids", dims{0, 1, 2, 3, 4, 0}),
          attribute("nodes_featureids", dims{0, 0, 1, 0, 0, 0}),
          attribute("nodes_truenodeids", yes),
          attribute("nodes_falsenodeids", dims{2, 0, 4, 0, 0, 0}),
          attribute("nodes_missing_value_tracks_true", dims{1, 0, 0, 0, 0, 0}),
          attribute_reals("nodes_values", {1, 0, 5, 0, 0, 0}),
          modes.number(20, 8).bytes()};
}

names with(names all, const names& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

const names targets{attribute("target_treeids", dims{0, 0, 0, 1}), attribute("target_nodeids", dims{1, 3, 4, 0}),
                    attribute("target_ids", dims{0, 0, 0, 0}), attribute_reals("target_weights", {10, 20, 30, 1})};

}  // namespace

TEST_CASE("trees of different depth add up") {
  const auto y = [](const names& more) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    return run(one_node(node("TreeEnsembleRegressor", {"x"}, {"y"}, with(with(nodes(), targets), more), "ai.onnx.ml"),
                        {4, 2}),
               {1, 9, 2, 5, 2, 6, nan, 0})
        .y;
  };
  CHECK(y({}) == std::vector<float>{11, 21, 31, 11});
  CHECK(y({attribute_reals("base_values", {100}), attribute_text("aggregate_function", "MAX")}) ==
        std::vector<float>{110, 120, 130, 110});
}

TEST_CASE("one score for two labels speaks for the second") {
  const auto y = [](const char* output, const std::vector<float>& weights) {
    const names classes{attribute("class_treeids", dims{0, 0, 0}), attribute("class_nodeids", dims{1, 3, 4}),
                        attribute("class_ids", dims{0, 0, 0}), attribute_reals("class_weights", weights),
                        attribute("classlabels_int64s", dims{7, 8})};
    return run(model(graph(
                   {{node("TreeEnsembleClassifier", {"x"}, {"label", "score"}, with(nodes(), classes), "ai.onnx.ml"),
                     node("Cast", {output}, {"y"}, {attribute("to", std::int64_t{1})})},
                    {},
                    {info("x", 1, {2, 2})},
                    {info("y", 1, {})}})),
               {0, 0, 2, 9})
        .y;
  };
  CHECK(y("label", {0.25f, 0, 0.75f}) == std::vector<float>{7, 8});
  CHECK(y("score", {0.25f, 0, 0.75f}) == std::vector<float>{0.75f, 0.25f, 0.25f, 0.75f});
  CHECK(y("score", {-2, 0, 3}) == std::vector<float>{2, -2, -3, 3});
}

TEST_CASE("trees that go in circles or lead nowhere are refused") {
  const auto code = [](const dims& yes) {
    const std::string file =
        one_node(node("TreeEnsembleRegressor", {"x"}, {"y"}, with(nodes(yes), targets), "ai.onnx.ml"), {1, 2});
    dsmm::convert::import_report report;
    CHECK(!dsmm::convert::import_onnx(bytes(file), imported::options(), &report));
    REQUIRE(!report.issues.empty());
    return report.issues[0].code;
  };
  CHECK(code({1, 0, 0, 0, 0, 0}) == dsmm::errc::bad_value);
  CHECK(code({9, 0, 3, 0, 0, 0}) == dsmm::errc::bad_index);
}
