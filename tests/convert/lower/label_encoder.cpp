// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/label_encoder.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("labels are replaced by numbers, unknown ones by the default") {
  const std::string values = message().text(1, "values_floats").real(7, 1.5f).real(7, 2.5f).number(20, 6).bytes();
  const std::string file = model(graph(
      {{node("Cast", {"x"}, {"i"}, {attribute("to", std::int64_t{7})}),
        node("LabelEncoder", {"i"}, {"y"},
             {attribute("keys_int64s", dims{7, -3}), values, attribute_real("default_float", 9.0f)}, "ai.onnx.ml")},
       {},
       {info("x", 1, {2, 2})},
       {info("y", 1, {})}}));
  const auto r = run(file, {7, -3, 0, 7});
  CHECK(r.dims == dims{2, 2});
  CHECK(r.y == std::vector<float>{1.5f, 2.5f, 9, 1.5f});
}
