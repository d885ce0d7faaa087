// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/sequence.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

namespace {

std::string file(const names& nodes) {
  const auto place = [](const char* name, std::int64_t v) { return tensor_of<std::int64_t>(name, 7, {}, {v}); };
  return model(graph({nodes,
                      {place("0", 0), place("-1", -1), place("2", 2), integers("sizes", {1, 4})},
                      {info("x", 1, {5, 1})},
                      {info("y", 1, {})}}));
}

}  // namespace

TEST_CASE("lists of tensors leave nothing in the graph") {
  const std::vector<float> x{1, 2, 3, 4, 5};
  const auto join = [](const char* s, const names& attributes = {}) {
    names a{attribute("axis", std::int64_t{0})};
    a.insert(a.end(), attributes.begin(), attributes.end());
    return node("ConcatFromSequence", {s}, {"y"}, a);
  };
  CHECK(run(file({node("SplitToSequence", {"x", "2"}, {"s"}), node("SequenceAt", {"s", "-1"}, {"y"})}), x).y ==
        std::vector<float>{5});
  CHECK(run(file({node("SplitToSequence", {"x", "sizes"}, {"s"}), node("SequenceAt", {"s", "0"}, {"a"}),
                  node("SequenceInsert", {"s", "a"}, {"t"}), node("SequenceErase", {"t", "0"}, {"u"}), join("u")}),
            x)
            .y == std::vector<float>{2, 3, 4, 5, 1});
  CHECK(run(file({node("SplitToSequence", {"x", "sizes"}, {"s"}), node("SequenceAt", {"s", "0"}, {"a"}),
                  node("SequenceInsert", {"s", "a", "-1"}, {"t"}), join("t")}),  // before the last one
            x)
            .y == std::vector<float>{1, 1, 2, 3, 4, 5});
  const auto stacked =
      run(file({node("SplitToSequence", {"x"}, {"s"}, {attribute("keepdims", std::int64_t{0})}),
                node("SequenceErase", {"s"}, {"t"}), join("t", {attribute("new_axis", std::int64_t{1})})}),
          x);
  CHECK(stacked.dims == dims{4, 1});
  CHECK(stacked.y == std::vector<float>{1, 2, 3, 4});
  CHECK(run(file({node("SequenceEmpty", {}, {"e"}), node("SequenceInsert", {"e", "x"}, {"s"}),
                  node("SequenceInsert", {"s", "x", "0"}, {"t"}), node("SequenceLength", {"t"}, {"n"}),
                  node("Cast", {"n"}, {"y"}, {attribute("to", std::int64_t{1})})}),
            x)
            .y == std::vector<float>{2});
}

TEST_CASE("a list where a tensor belongs, and a place that is not there, are refused") {
  const auto code = [](const std::string& f) {
    dsmm::convert::import_report report;
    CHECK(!dsmm::convert::import_onnx(bytes(f), imported::options(), &report));
    REQUIRE(!report.issues.empty());
    return report.issues[0].code;
  };
  CHECK(code(file({node("SequenceConstruct", {"x", "x"}, {"s"}), node("Relu", {"s"}, {"y"})})) ==
        dsmm::errc::dtype_mismatch);
  CHECK(code(file({node("SequenceConstruct", {"x"}, {"y"})})) == dsmm::errc::unsupported);
  CHECK(code(file({node("SequenceConstruct", {"x", "x"}, {"s"}), node("SequenceAt", {"s", "2"}, {"y"})})) ==
        dsmm::errc::bad_index);
}
