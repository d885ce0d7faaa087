// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/fused.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

TEST_CASE("layers that ONNX Runtime fused with their activation") {
  const std::string params = message().text(1, "activation_params").real(7, 0.0f).real(7, 6.0f).number(20, 6).bytes();
  const std::string conv =
      node("FusedConv", {"x", "w", "b", "z"}, {"y"}, {attribute_text("activation", "Clip"), params}, "com.microsoft");
  CHECK(run(one_node(conv, {1, 1, 3},
                     {floats("w", {1, 1, 1}, {2}), floats("b", {1}, {1}), floats("z", {1, 1, 3}, {0, 1, -1})}),
            {-3, 1, 4})
            .y == std::vector<float>{0, 4, 6});
  const std::string gemm =
      node("FusedGemm", {"x", "w"}, {"y"},
           {attribute_text("activation", "LeakyRelu"), attribute_real("activation_alpha", 0.5f)}, "com.microsoft");
  CHECK(run(one_node(gemm, {1, 1}, {floats("w", {1, 2}, {4, -4})}), {1}).y == std::vector<float>{4, -2});
}
