// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/lower/classic.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

using namespace onnx_writer;
using imported::run;

namespace {

std::string of(const char* op, const names& attributes, const dims& shape, const names& in = {"x"},
               const names& initializers = {}) {
  return one_node(node(op, in, {"y"}, attributes, "ai.onnx.ml"), shape, initializers);
}

}  // namespace

TEST_CASE("features are scaled, cut at a threshold, filled in and picked") {
  CHECK(
      run(of("Scaler", {attribute_reals("offset", {1, 2}), attribute_reals("scale", {10, 100})}, {2, 2}), {1, 2, 3, 4})
          .y == std::vector<float>{0, 0, 20, 200});
  CHECK(run(of("Binarizer", {attribute_real("threshold", 0.5f)}, {3}), {0, 0.5f, 1}).y == std::vector<float>{0, 0, 1});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const names fill{attribute_reals("imputed_value_floats", {7, 8}), attribute_real("replaced_value_float", nan)};
  CHECK(run(of("Imputer", fill, {2, 2}), {nan, 1, 2, nan}).y == std::vector<float>{7, 1, 2, 8});
  const auto picked =
      run(of("ArrayFeatureExtractor", {}, {2, 3}, {"x", "i"}, {integers("i", {2, 0})}), {1, 2, 3, 4, 5, 6});
  CHECK(picked.dims == dims{2, 2});
  CHECK(picked.y == std::vector<float>{3, 1, 6, 4});
  CHECK(run(of("FeatureVectorizer", {}, {1, 2}, {"x", "x"}), {1, 2}).y == std::vector<float>{1, 2, 1, 2});
}

TEST_CASE("rows are divided by their largest value, sum or length") {
  const auto y = [](const char* norm) {
    return run(of("Normalizer", {attribute_text("norm", norm)}, {2, 2}), {-3, 4, 0, 0}).y;
  };
  CHECK(y("MAX") == std::vector<float>{-0.75f, 1, 0, 0});
  CHECK(y("L2") == std::vector<float>{-0.6f, 0.8f, 0, 0});
  CHECK(std::fabs(y("L1")[0] + 3.0f / 7) < 1e-6f);
}

TEST_CASE("linear models give scores, and the label of the largest") {
  const names weights{attribute_reals("coefficients", {1, 0, 0, 1}), attribute_reals("intercepts", {0, 5})};
  CHECK(run(of("LinearRegressor", weights, {1, 2}), {3, 4}).y == std::vector<float>{3, 9});
  names classes = weights;
  classes.push_back(attribute("classlabels_ints", dims{40, 50}));
  const auto file = [&](const names& out, const char* behind) {
    return model(graph({{node("LinearClassifier", {"x"}, out, classes, "ai.onnx.ml"),
                         node("Cast", {behind}, {"y"}, {attribute("to", std::int64_t{1})})},
                        {},
                        {info("x", 1, {2, 2})},
                        {info("y", 1, {})}}));
  };
  CHECK(run(file({"label", "score"}, "label"), {9, 1, 3, 4}).y == std::vector<float>{40, 50});
  CHECK(run(file({"label", "score"}, "score"), {9, 1, 3, 4}).y == std::vector<float>{9, 6, 3, 9});
}

TEST_CASE("support vectors give a value, or a side") {
  const auto y = [](const char* kernel, const names& more = {}) {
    names a{attribute_text("kernel_type", kernel),
            attribute_reals("kernel_params", {1, 2, 2}),
            attribute_reals("support_vectors", {0, 1, 2, 0}),
            attribute_reals("coefficients", {10, -1}),
            attribute_reals("rho", {0.5f}),
            attribute("n_supports", std::int64_t{2})};
    a.insert(a.end(), more.begin(), more.end());
    return run(of("SVMRegressor", a, {1, 2}), {3, 1}).y.at(0);
  };
  CHECK(y("LINEAR") == 10 * 1 - 6 + 0.5f);
  CHECK(y("POLY") == 10 * 9 - 64 + 0.5f);
  CHECK(std::fabs(y("RBF") - (10 * std::exp(-9.0f) - std::exp(-2.0f) + 0.5f)) < 1e-5f);
  CHECK(y("LINEAR", {attribute("one_class", std::int64_t{1})}) == 1);
}
