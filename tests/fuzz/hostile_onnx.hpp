// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/convert/onnx_writer.hpp"

/// ONNX files that lie. Each entry of a group calls visit(name, bytes, must_fail).
namespace hostile_onnx {

using namespace onnx_writer;

/// A small convolutional net with what most files have: weights, bias, reshape by a constant, softmax.
inline std::string good() {
  const std::vector<float> w(4 * 3 * 3 * 3, 0.25f);
  return model(graph(
      {{node("Conv", {"x", "w", "b"}, {"c"}, {attribute("pads", dims{1, 1, 1, 1}), attribute("strides", dims{2, 2})}),
        node("Relu", {"c"}, {"r"}), node("Reshape", {"r", "shape"}, {"f"}),
        node("Softmax", {"f"}, {"y"}, {attribute("axis", std::int64_t{1})})},
       {floats("w", {4, 3, 3, 3}, w), floats("b", {4}, {1, 2, 3, 4}), integers("shape", {1, -1})},
       {info("x", 1, {-1, 3, 8, 8})},
       {info("y", 1, {})}}));
}

template <class Visit>
void damaged(Visit&& visit) {
  const std::string file = good();
  for (std::size_t n = 0; n < file.size(); ++n) visit("cut at " + std::to_string(n), file.substr(0, n), false);
  for (std::size_t i = 0; i < file.size(); ++i)
    for (const int flip : {0x01, 0x08, 0x80, 0xFF}) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      visit("byte " + std::to_string(i) + " ^ " + std::to_string(flip), changed, false);
    }
}

template <class Visit>
void lies(Visit&& visit) {
  const std::int64_t big = std::numeric_limits<std::int64_t>::max();
  const auto with = [](const std::string& t) { return one_node(node("Add", {"x", "w"}, {"y"}), {4}, {t}); };
  visit("empty", std::string(), true);
  visit("no graph", message().number(1, 8).bytes(), true);
  visit("two graphs", good() + message().text(7, graph({})).bytes(), true);
  visit("a petabyte of raw data", std::string("\x3A\x80\x80\x80\x80\x80\x80\x80\x01", 9), true);
  visit("length of 2^63", std::string("\x3A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11), true);
  visit("varint without end", std::string("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12), true);
  visit("field number 0", std::string("\x02\x00", 2), true);
  visit("group wire type", std::string("\x3B\x3C", 2), true);
  visit("too little data", with(tensor("w", 1, {4}, "abcd")), true);
  visit("too much data", with(tensor("w", 1, {4}, std::string(20, 'a'))), true);
  visit("no data", with(message().number(1, 4).number(2, 1).text(8, "w").bytes()), true);
  visit("two data fields", with(message().number(1, 1).number(2, 1).text(8, "w").text(9, "abcd").real(4, 1.0f).bytes()),
        true);
  visit("data of another type", with(message().number(1, 1).number(2, 1).text(8, "w").number(7, 5).bytes()), true);
  visit("negative extent", with(tensor("w", 1, {-4}, "")), true);
  visit("extents of 2^63", with(tensor("w", 1, {big, big}, "")), true);
  visit("extents that wrap", with(tensor("w", 1, {std::int64_t{1} << 32, std::int64_t{1} << 32}, "")), true);
  visit("nine dimensions", with(tensor("w", 1, dims(9, 1), "abcd")), true);
  visit("a million dimensions",
        with(message().packed(1, dims(1'000'000, 1)).number(2, 1).text(8, "w").text(9, "abcd").bytes()), true);
  visit("unknown type", with(tensor("w", 99, {4}, std::string(16, 'a'))), true);
  visit("string tensor", with(message().number(1, 1).number(2, 8).text(6, "abc").text(8, "w").bytes()), true);
  visit("name of a megabyte", with(floats(std::string(1 << 20, 'n'), {1}, {1})), true);
  visit("name that is not UTF-8", with(floats("\xC3\x28", {1}, {1})), true);
  visit("name with a NUL", with(floats(std::string("w\0x", 3), {1}, {1})), true);
  visit("input of 2^62 elements", one_node(node("Relu", {"x"}, {"y"}), {std::int64_t{1} << 31, std::int64_t{1} << 31}),
        true);
  visit("input of negative extent", one_node(node("Relu", {"x"}, {"y"}), {4, -7}), true);
}

template <class Visit>
void graphs(Visit&& visit) {
  const auto x = info("x", 1, {4}), y = info("y", 1, {4});
  const auto of = [&](const names& nodes) { return model(graph({nodes, {}, {x}, {y}})); };
  visit("cycle of one", of({node("Add", {"x", "y"}, {"y"})}), true);
  visit("cycle of two", of({node("Add", {"x", "b"}, {"a"}), node("Relu", {"a"}, {"b"}), node("Relu", {"b"}, {"y"})}),
        true);
  visit("cycle in wrong order",
        of({node("Relu", {"b"}, {"y"}), node("Relu", {"a"}, {"b"}), node("Add", {"x", "b"}, {"a"})}), true);
  const std::string body = graph({{node("Relu", {"s"}, {"next"}), node("Identity", {"c"}, {"more"})},
                                  {},
                                  {info("i", 7, {}), info("c", 9, {}), info("s", 1, {4})},
                                  {info("more", 9, {}), info("next", 1, {4})}});
  visit("loop without end",
        model(graph({{node("Loop", {"", "yes", "x"}, {"y"}, {attribute_graph("body", body)})},
                     {tensor("yes", 9, {}, std::string(1, '\1'))},
                     {x},
                     {y}})),
        true);
  visit("two nodes give y", of({node("Relu", {"x"}, {"y"}), node("Neg", {"x"}, {"y"})}), true);
  visit("a node gives its input", of({node("Relu", {"x"}, {"x"})}), true);
  visit("two initializers",
        model(graph({{node("Add", {"x", "w"}, {"y"})}, {floats("w", {1}, {1}), floats("w", {1}, {2})}, {x}, {y}})),
        true);
  visit("no such output", of({node("Relu", {"x"}, {"z"})}), true);
  visit("unknown operator", of({node("Bogus", {"x"}, {"y"})}), true);
  visit("unknown domain", of({node("Relu", {"x"}, {"y"}, {}, "org.example")}), true);
  visit("operator set 99", model(graph({{node("Relu", {"x"}, {"y"})}, {}, {x}, {y}}), 99), true);
  visit("no inputs", of({node("Add", {}, {"y"})}), true);
  visit("no outputs", of({node("Relu", {"x"}, {})}), true);
  visit(
      "100 000 nodes",
      [&] {
        names nodes;
        for (int i = 0; i < 100'000; ++i)
          nodes.push_back(node("Relu", {i == 0 ? "x" : "v" + std::to_string(i - 1)}, {"v" + std::to_string(i)}));
        return of(nodes);
      }(),
      true);
  std::string nested = graph({{node("Identity", {"x"}, {"y"})}, {}, {}, {y}});
  for (int i = 0; i < 500; ++i)
    nested = graph({{node("If", {"c"}, {"y"},
                          {attribute_graph("then_branch", nested), attribute_graph("else_branch", graph({}))})},
                    {tensor("c", 9, {}, std::string("\x01", 1))},
                    {},
                    {y}});
  visit("500 nested branches", model(nested), true);
  names functions;
  for (int i = 0; i < 15; ++i) {
    message f;
    f.text(1, "f" + std::to_string(i)).text(4, "a").text(5, "b");
    std::string at = "a";
    for (int k = 0; k < 64; ++k) {
      const std::string next = k == 63 ? "b" : "t" + std::to_string(k);
      f.text(7, i == 0 ? node("Relu", {at}, {next}) : node("f" + std::to_string(i - 1), {at}, {next}, {}, "bomb"));
      at = next;
    }
    functions.push_back(f.text(10, "bomb").text(9, message().number(2, 17).bytes()).bytes());
  }
  visit("functions that multiply", model(graph({{node("f14", {"x"}, {"y"}, {}, "bomb")}, {}, {x}, {y}}), 17, functions),
        true);
  visit("a function that calls itself",
        model(graph({{node("f", {"x"}, {"y"}, {}, "loop")}, {}, {x}, {y}}), 17,
              {message()
                   .text(1, "f")
                   .text(4, "a")
                   .text(5, "b")
                   .text(7, node("f", {"a"}, {"b"}, {}, "loop"))
                   .text(10, "loop")
                   .bytes()}),
        true);
}

/// Attributes at their edges.
template <class Visit>
void attributes(Visit&& visit) {
  const std::int64_t edges[] = {0,
                                -1,
                                std::numeric_limits<std::int32_t>::min(),
                                std::numeric_limits<std::int32_t>::max(),
                                std::int64_t{1} << 31,
                                std::int64_t{1} << 32,
                                std::numeric_limits<std::int64_t>::max(),
                                std::numeric_limits<std::int64_t>::min()};
  const std::string w = floats("w", {1, 1, 3, 3}, std::vector<float>(9, 1));
  for (const std::int64_t v : edges) {
    const std::string at = " = " + std::to_string(v);
    for (const char* name : {"strides", "dilations", "kernel_shape"})
      visit(std::string("Conv ") + name + at,
            one_node(node("Conv", {"x", "w"}, {"y"}, {attribute(name, dims{v, v})}), {1, 1, 8, 8}, {w}), true);
    visit("Conv group" + at, one_node(node("Conv", {"x", "w"}, {"y"}, {attribute("group", v)}), {1, 1, 8, 8}, {w}),
          true);
    for (const char* op : {"MaxPool", "AveragePool", "LpPool"})
      for (const char* name : {"strides", "kernel_shape", "pads", "dilations"}) {
        names list{attribute(name, name[0] == 'p' ? dims{v, v, v, v} : dims{v, v})};
        if (name[0] != 'k') list.push_back(attribute("kernel_shape", dims{2, 2}));
        visit(std::string(op) + " " + name + at, one_node(node(op, {"x"}, {"y"}, list), {1, 1, 8, 8}), false);
      }
    for (const char* op : {"Softmax", "Concat", "ArgMax", "LpNormalization", "Flatten", "Hardmax", "TopK", "Split",
                           "LayerNormalization"})
      visit(std::string(op) + " axis" + at,
            one_node(node(op, {"x", "w"}, {"y"}, {attribute("axis", v)}), {1, 1, 3, 3}, {w}), false);
    visit("Transpose perm" + at, one_node(node("Transpose", {"x"}, {"y"}, {attribute("perm", dims{v, 0})}), {2, 2}),
          false);
    visit("DepthToSpace" + at, one_node(node("DepthToSpace", {"x"}, {"y"}, {attribute("blocksize", v)}), {1, 4, 2, 2}),
          false);
    visit("LRN size" + at, one_node(node("LRN", {"x"}, {"y"}, {attribute("size", v)}), {1, 4, 2, 2}), false);
    visit("Cast to" + at, one_node(node("Cast", {"x"}, {"y"}, {attribute("to", v)}), {2}), true);
    visit("Reshape" + at, one_node(node("Reshape", {"x", "s"}, {"y"}), {4}, {integers("s", {v, v})}), false);
    visit("Expand" + at, one_node(node("Expand", {"x", "s"}, {"y"}), {1}, {integers("s", {v, v})}), false);
    visit("Tile" + at, one_node(node("Tile", {"x", "s"}, {"y"}), {1, 1}, {integers("s", {v, v})}), false);
    visit("Pad" + at, one_node(node("Pad", {"x", "s"}, {"y"}), {2, 2}, {integers("s", {v, v, v, v})}), false);
    visit("ConstantOfShape" + at, one_node(node("ConstantOfShape", {"s"}, {"y"}), {1}, {integers("s", {v, v})}), false);
    visit("Range" + at,
          one_node(node("Range", {"a", "s", "b"}, {"y"}), {1},
                   {integers("a", {0}), integers("s", {v}), integers("b", {1})}),
          false);
    visit("OneHot" + at,
          one_node(node("OneHot", {"x", "s", "v"}, {"y"}), {2}, {integers("s", {v}), floats("v", {2}, {0, 1})}), false);
    visit("Gather" + at, one_node(node("Gather", {"x", "s"}, {"y"}), {4}, {integers("s", {v})}), v != 0 && v != -1);
    visit("Slice" + at,
          one_node(node("Slice", {"x", "s", "s", "z", "s"}, {"y"}), {4}, {integers("s", {v}), integers("z", {0})}),
          false);
    visit("Squeeze" + at, one_node(node("Squeeze", {"x", "s"}, {"y"}), {1}, {integers("s", {v})}), false);
    visit("Unsqueeze" + at, one_node(node("Unsqueeze", {"x", "s"}, {"y"}), {1}, {integers("s", {v})}), false);
    visit("EyeLike k" + at, one_node(node("EyeLike", {"x"}, {"y"}, {attribute("k", v)}), {2, 2}), false);
    visit("Trilu k" + at, one_node(node("Trilu", {"x", "s"}, {"y"}), {2, 2}, {integers("s", {v})}), false);
    visit("LSTM hidden_size" + at,
          one_node(node("LSTM", {"x", "w", "r"}, {"y"}, {attribute("hidden_size", v)}), {1, 1, 1},
                   {floats("w", {1, 4, 1}, {1, 1, 1, 1}), floats("r", {1, 4, 1}, {1, 1, 1, 1})}),
          false);
    visit("MatMulNBits" + at,
          one_node(node("MatMulNBits", {"x", "w", "w"}, {"y"},
                        {attribute("K", v), attribute("N", v), attribute("block_size", v)}, "com.microsoft"),
                   {1, 16}, {w}),
          true);
    visit(
        "Attention heads" + at,
        one_node(node("Attention", {"x", "x", "x"}, {"y"}, {attribute("q_num_heads", v), attribute("kv_num_heads", v)}),
                 {1, 2, 4}, {}, 23),
        false);
    visit("DFT" + at, one_node(node("DFT", {"x", "s"}, {"y"}), {1, 4, 1}, {integers("s", {v})}), false);
  }
  for (const char* op : {"DepthToSpace", "Pad", "Resize", "Gelu", "ScatterND", "GridSample", "LSTM", "MaxPool"})
    for (const char* name : {"mode", "auto_pad", "approximate", "reduction", "direction"})
      visit(
          std::string(op) + " " + name + " of another type",
          one_node(node(op, {"x"}, {"y"}, {attribute(name, std::int64_t{1}), attribute("blocksize", std::int64_t{2})}),
                   {1, 4, 2, 2}),
          false);
  for (const char* equation :
       {"ij,jk->ik", "", "->", "...", "ii", "i,i,i->", "ij->ijj", "a...b->...", "ABC,CBA", "i j->"})
    visit(std::string("Einsum ") + equation,
          one_node(node("Einsum", {"x"}, {"y"}, {attribute_text("equation", equation)}), {2, 2}), false);
  for (const float scale :
       {0.0f, -1.0f, 1e30f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e-30f})
    visit("Resize " + std::to_string(scale),
          one_node(node("Resize", {"x", "", "s"}, {"y"}), {1, 1, 2, 2}, {floats("s", {4}, {1, 1, scale, scale})}),
          true);
}

/// Small files that ask for much memory or time.
template <class Visit>
void bombs(Visit&& visit) {
  const auto doubled = [&](const std::string& first, const names& initializers) {
    names nodes;
    std::string at = first;
    for (int i = 0; i < 40; ++i) {
      nodes.push_back(node("Concat", {at, at}, {"v" + std::to_string(i)}, {attribute("axis", std::int64_t{0})}));
      at = "v" + std::to_string(i);
    }
    nodes.push_back(node("Identity", {at}, {"y"}));
    return model(graph({nodes, initializers, {info("x", 1, {4})}, {info("y", 1, {})}}));
  };
  visit("doubling a constant", doubled("w", {floats("w", {4}, {1, 2, 3, 4})}), true);
  visit("doubling an input", doubled("x", {}), true);
  const std::string wide = integers("s", {4096, 4096});
  visit(
      "product of large constants",
      model(graph({{node("ConstantOfShape", {"s"}, {"a"}), node("MatMul", {"a", "a"}, {"b"}),
                    node("MatMul", {"b", "a"}, {"c"}), node("ReduceSum", {"c"}, {"d"}), node("Add", {"x", "d"}, {"y"})},
                   {wide},
                   {info("x", 1, {1})},
                   {info("y", 1, {})}})),
      false);
  names many;
  for (int i = 0; i < 100; ++i) many.push_back(node("ConstantOfShape", {"s"}, {"v" + std::to_string(i)}));
  many.push_back(node("Relu", {"x"}, {"y"}));
  visit("a hundred large constants", model(graph({many, {wide}, {info("x", 1, {1})}, {info("y", 1, {})}})), false);
  visit("sorting a large constant",
        model(graph(
            {{node("ConstantOfShape", {"s"}, {"a"}), node("TopK", {"a", "k"}, {"b", "c"}), node("Relu", {"x"}, {"y"})},
             {wide, integers("k", {4000})},
             {info("x", 1, {1})},
             {info("y", 1, {})}})),
        false);
  visit("large Fourier matrix", one_node(node("DFT", {"x"}, {"y"}), {1, 16'384, 1}), true);
}

/// External data in a folder of their own, which this fills: path, length and link tricks.
template <class Visit>
void external(const std::filesystem::path& folder, Visit&& visit) {
  namespace fs = std::filesystem;
  fs::create_directories(folder / "inside");
  std::ofstream(folder / "secret.bin") << std::string(16, 's');
  std::ofstream(folder / "inside" / "data.bin") << std::string(16, 'd');
  std::error_code ignored;
  fs::create_symlink(folder / "secret.bin", folder / "inside" / "link.bin", ignored);
  fs::create_directory_symlink(folder, folder / "inside" / "up", ignored);
  fs::create_hard_link(folder / "secret.bin", folder / "inside" / "hard.bin", ignored);
  const auto with = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
    message t;
    t.number(1, 4).number(2, 1).text(8, "w").number(14, 1);
    for (const auto& [key, value] : entries) t.text(13, message().text(1, key).text(2, value).bytes());
    return one_node(node("Add", {"x", "w"}, {"y"}), {4}, {t.bytes()});
  };
  visit("external: good", with({{"location", "data.bin"}, {"offset", "0"}, {"length", "16"}}), false);
  const std::string places[] = {"../secret.bin", (folder / "secret.bin").string(), "link.bin",  "up/secret.bin",
                                "hard.bin",      std::string("data.bin\0x", 10),   "",          ".",
                                "missing.bin",   "inside/../../secret.bin",        "data.bin/x"};
  for (const std::string& place : places) visit("external: " + place, with({{"location", place}}), true);
  visit("external: a petabyte", with({{"location", "data.bin"}, {"length", "1125899906842624"}}), true);
  visit("external: far offset", with({{"location", "data.bin"}, {"offset", "18446744073709551615"}}), true);
  visit("external: negative offset", with({{"location", "data.bin"}, {"offset", "-1"}}), true);
  visit("external: past the end", with({{"location", "data.bin"}, {"offset", "4"}}), true);
  visit("external: unknown key", with({{"location", "data.bin"}, {"__class__", "x"}}), true);
  visit(
      "external: raw data too",
      [&] {
        message t;
        t.number(1, 4).number(2, 1).text(8, "w").number(14, 1).text(9, std::string(16, 'r'));
        t.text(13, message().text(1, "location").text(2, "data.bin").bytes());
        return one_node(node("Add", {"x", "w"}, {"y"}), {4}, {t.bytes()});
      }(),
      true);
}

}  // namespace hostile_onnx
