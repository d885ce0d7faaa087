// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/onnx_import.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/convert/imported.hpp"
#include "tests/convert/onnx_writer.hpp"

namespace convert = dsmm::convert;
using namespace onnx_writer;
using dsmm::errc;
using imported::options;
using imported::ran;
using imported::run;

namespace {

errc code(const std::string& file, convert::import_report* report = nullptr,
          const convert::import_options& o = options()) {
  const auto r = convert::import_onnx(bytes(file), o, report);
  return r ? errc::ok : r.error().code;
}

}  // namespace

TEST_CASE("shape arithmetic of exporters folds away") {
  // reshape to (shape(x)[0], -1), spelled out
  const std::string file = model(graph(
      {{node("Shape", {"x"}, {"s"}), node("Gather", {"s", "zero"}, {"n"}), node("Unsqueeze", {"n", "axes"}, {"u"}),
        node("Concat", {"u", "minus"}, {"c"}, {attribute("axis", std::int64_t{0})}), node("Reshape", {"x", "c"}, {"r"}),
        node("Relu", {"r"}, {"y"})},
       {tensor_of<std::int64_t>("zero", 7, {}, {0}), integers("axes", {0}), integers("minus", {-1})},
       {info("x", 1, {2, 3, 2})},
       {info("y", 1, {})}}));
  const ran r = run(file, {-1, 2, -3, 4, -5, 6, -7, 8, -9, 10, -11, 12});
  CHECK(r.dims == convert::dim_list{2, 6});
  CHECK(r.ops <= 2);  // a copy to the new extents, and the function
  CHECK(r.y == std::vector<float>{0, 2, 0, 4, 0, 6, 0, 8, 0, 10, 0, 12});
}

TEST_CASE("batch norm, residual and activation go into the convolution") {
  const std::string file = model(
      graph({{node("Conv", {"x", "w"}, {"c"}), node("BatchNormalization", {"c", "scale", "bias", "mean", "var"}, {"n"}),
              node("Add", {"n", "x"}, {"a"}), node("Relu", {"a"}, {"y"})},
             {floats("w", {1, 1, 1, 1}, {2}), floats("scale", {1}, {3}), floats("bias", {1}, {1}),
              floats("mean", {1}, {4}), floats("var", {1}, {1})},
             {info("x", 1, {1, 1, 1, 3})},
             {info("y", 1, {})}}));
  auto plain = options();
  plain.fuse = false;
  const std::vector<float> x{-1, 0, 5};
  const ran fused = run(file, x), whole = run(file, x, plain);
  CHECK(fused.ops == 1);
  CHECK(whole.ops == 5);
  REQUIRE(fused.y.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const float n = (2 * x[i] - 4) * 3 + 1 + x[i];  // epsilon is 1e-5
    CHECK(std::fabs(fused.y[i] - std::fmax(n, 0.0f)) < 1e-3f);
    CHECK(std::fabs(fused.y[i] - whole.y[i]) < 1e-4f);
  }
}

TEST_CASE("zeros of a pad are the padding of a convolution or an average behind it") {
  const std::string pads = integers("pads", {0, 0, 2, 0, 0, 1});  // two in front, one behind
  const std::vector<float> x{1, 2, 4, 8};
  const std::string conv = model(graph({{node("Pad", {"x", "pads"}, {"p"}), node("Conv", {"p", "w"}, {"y"})},
                                        {pads, floats("w", {1, 1, 3}, {1, 10, 100})},
                                        {info("x", 1, {1, 1, 4})},
                                        {info("y", 1, {})}}));
  const ran a = run(conv, x);
  CHECK(a.ops == 1);
  CHECK(a.y == std::vector<float>{100, 210, 421, 842, 84});
  const std::string mean = model(graph({{node("Pad", {"x", "pads"}, {"p"}),
                                         node("AveragePool", {"p"}, {"y"}, {attribute("kernel_shape", dims{4})})},
                                        {pads},
                                        {info("x", 1, {1, 1, 4})},
                                        {info("y", 1, {})}}));
  const ran b = run(mean, x);
  CHECK(b.ops == 1);
  CHECK(b.y == std::vector<float>{0.75f, 1.75f, 3.75f, 3.5f});
}

TEST_CASE("a pad that is not zeros around a picture stays") {
  const std::vector<float> x{1, 2, 4, 8};
  const auto file = [&](const dims& pads, float value, const dims& shape) {
    return model(graph({{node("Pad", {"x", "pads", "v"}, {"p"}), node("Conv", {"p", "w"}, {"y"})},
                        {integers("pads", pads), floats("v", {}, {value}),
                         floats("w", {1, shape[1] + pads[1] + pads[4], 1}, std::vector<float>(
                             static_cast<std::size_t>(shape[1] + pads[1] + pads[4]), 1.0f))},
                        {info("x", 1, shape)},
                        {info("y", 1, {})}}));
  };
  CHECK(run(file({0, 0, 1, 0, 0, 0}, 0, {1, 1, 4}), x).y == std::vector<float>{0, 1, 2, 4, 8});  // a window of one
  CHECK(run(file({0, 0, 1, 0, 0, 0}, 3, {1, 1, 4}), x).y == std::vector<float>{3, 1, 2, 4, 8});
  CHECK(run(file({0, 1, 0, 0, 0, 0}, 0, {1, 1, 4}), x).y == x);
  CHECK(run(file({0, 0, -1, 0, 0, 1}, 0, {1, 1, 4}), x).y == std::vector<float>{2, 4, 8, 0});
}

TEST_CASE("activations and norms that exporters spell out are found") {
  const auto one = floats("one", {}, {1}), half = floats("half", {}, {0.5f}), root = floats("root", {}, {1.41421354f}),
             two = floats("two", {}, {2}), eps = floats("eps", {}, {1e-5f}), three = floats("three", {}, {3}),
             six = floats("six", {}, {6}), zero = floats("zero", {}, {0});
  const auto of = [&](const names& nodes) {
    return model(
        graph({nodes, {one, half, root, two, eps, three, six, zero}, {info("x", 1, {1, 4})}, {info("y", 1, {})}}), 13);
  };
  const std::vector<float> x{-2, -0.5f, 0.25f, 3};
  const auto compare = [&](const std::string& file, auto function) {
    const ran r = run(file, x);
    CHECK(r.ops == 1);
    for (std::size_t i = 0; i < x.size(); ++i)
      CHECK(std::fabs(static_cast<double>(r.y[i]) - function(static_cast<double>(x[i]))) < 1e-5);
  };
  compare(of({node("Sigmoid", {"x"}, {"s"}), node("Mul", {"x", "s"}, {"y"})}),
          [](double v) { return v / (1 + std::exp(-v)); });
  compare(of({node("Div", {"x", "root"}, {"a"}), node("Erf", {"a"}, {"b"}), node("Add", {"b", "one"}, {"c"}),
              node("Mul", {"x", "c"}, {"d"}), node("Mul", {"d", "half"}, {"y"})}),
          [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); });
  compare(of({node("Add", {"x", "three"}, {"a"}), node("Clip", {"a", "zero", "six"}, {"b"}),
              node("Mul", {"x", "b"}, {"c"}), node("Div", {"c", "six"}, {"y"})}),
          [](double v) { return v * std::fmin(std::fmax(v + 3, 0), 6) / 6; });
  const names mean{attribute("axes", dims{-1})};
  const ran norm =
      run(of({node("ReduceMean", {"x"}, {"m"}, mean), node("Sub", {"x", "m"}, {"d"}), node("Pow", {"d", "two"}, {"p"}),
              node("ReduceMean", {"p"}, {"v"}, mean), node("Add", {"v", "eps"}, {"e"}), node("Sqrt", {"e"}, {"q"}),
              node("Div", {"d", "q"}, {"y"})}),
          x);
  CHECK(norm.ops == 1);
  CHECK(std::fabs(norm.y[0] + norm.y[1] + norm.y[2] + norm.y[3]) < 1e-5f);
}

TEST_CASE("a branch is taken when the model is imported") {
  const std::string then_graph = graph({{node("Relu", {"x"}, {"t"})}, {}, {}, {info("t", 1, {})}});
  const std::string else_graph = graph({{node("Neg", {"x"}, {"e"})}, {}, {}, {info("e", 1, {})}});
  const auto of = [&](const char* condition) {
    return model(
        graph({{node("If", {"c"}, {"y"},
                     {attribute_graph("then_branch", then_graph), attribute_graph("else_branch", else_graph)})},
               {tensor("c", 9, {}, std::string(condition, 1))},
               {info("x", 1, {2})},
               {info("y", 1, {})}}));
  };
  CHECK(run(of("\x01"), {-1, 2}).y == std::vector<float>{0, 2});
  CHECK(run(of("\x00"), {-1, 2}).y == std::vector<float>{1, -2});
}

TEST_CASE("everything that is missing is reported at once, with names") {
  convert::import_report report;
  const std::string file = model(
      graph({{node("Bogus", {"x"}, {"a"}), node("Relu", {"a"}, {"b"}), node("Unique", {"b"}, {"c"}),
              node("Softmax", {"x"}, {"d"}, {attribute("axis", std::int64_t{9})}), node("Add", {"c", "d"}, {"y"})},
             {},
             {info("x", 1, {2})},
             {info("y", 1, {})}}));
  CHECK(code(file, &report) == errc::unsupported);
  REQUIRE(report.issues.size() == 3);
  CHECK(report.issues[0].node == "node_Bogus");
  CHECK(report.issues[1].op == "Unique");
  CHECK(report.issues[2].reason.find("axis") != std::string::npos);
}

TEST_CASE("open dimensions need a shape, the leading one is 1") {
  const std::string batch = one_node(node("Relu", {"x"}, {"y"}), {-1, 3});
  CHECK(run(batch, {1, -1, 2}).dims == convert::dim_list{1, 3});
  const std::string open = one_node(node("Relu", {"x"}, {"y"}), {1, -1});
  CHECK(code(open) == errc::invalid_argument);
  auto o = options();
  o.shapes["x"] = {1, 2};
  CHECK(run(open, {-1, 1}, o).y == std::vector<float>{0, 1});
  o.shapes["x"] = {2, 2};
  CHECK(code(open, nullptr, o) == errc::shape_mismatch);
}

TEST_CASE("values that must be known are asked for by name") {
  const std::string file = model(
      graph({{node("Reshape", {"x", "s"}, {"y"})}, {}, {info("x", 1, {4}), info("s", 7, {2})}, {info("y", 1, {})}}));
  convert::import_report report;
  CHECK(code(file, &report) == errc::unsupported);
  CHECK(report.needed_values == std::vector<std::string>{"s"});
  auto o = options();
  const std::int64_t shape[] = {2, 2};
  const auto b = std::as_bytes(std::span(shape));
  o.values["s"] = {dsmm::dtype::s64, {2}, {b.begin(), b.end()}};
  CHECK(run(file, {1, 2, 3, 4}, o).dims == convert::dim_list{2, 2});
}

TEST_CASE("the same file gives the same bytes") {
  const std::string file = one_node(node("Relu", {"x"}, {"y"}), {4});
  const auto a = convert::import_onnx(bytes(file), options()), b = convert::import_onnx(bytes(file), options());
  REQUIRE(a);
  REQUIRE(b);
  CHECK(std::equal(a->bytes().begin(), a->bytes().end(), b->bytes().begin(), b->bytes().end()));
  const auto m = dsmm::model::open(a->bytes());
  CHECK(m->meta("producer") == "dsmm tests");
  CHECK(m->meta("opset") == "17");
}
