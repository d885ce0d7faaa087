// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/model/writer.hpp"

/// A model of a few kilobytes that uses every operator: "frame" looks at a 16x16 picture, "hop" at 16 samples of two
/// sensors, and a state carries what the hops found to the frame.
namespace every_op {

using dsmm::dtype;
using dsmm::op_kind;

class builder {
public:
  dsmm::model_writer w;

  void build() {
    frame();
    hop();
    enter();
    w.meta("product", "every operator");
    w.meta("version", "1");
    w.meta("threshold.image", "0.5");
  }

private:
  template <class T>
  std::uint32_t constant(const char* name, std::initializer_list<std::int32_t> dims, std::vector<T> values) {
    return w.constant<T>(name, dims, std::span<const T>(values));
  }
  std::size_t size(std::initializer_list<std::int32_t> dims) {
    std::size_t n = 1;
    for (const std::int32_t d : dims) n *= static_cast<std::size_t>(d);
    return n;
  }
  std::uint32_t s8(const char* name, std::initializer_list<std::int32_t> dims) {
    std::vector<std::int8_t> v(size(dims));
    for (std::int8_t& x : v) x = static_cast<std::int8_t>(random.u32());
    return constant(name, dims, v);
  }
  std::uint32_t i4s(const char* name, std::vector<std::int32_t> dims, std::uint32_t group) {
    std::size_t depth = 1;
    for (std::size_t i = 1; i < dims.size(); ++i) depth *= static_cast<std::size_t>(dims[i]);
    const auto rows = static_cast<std::size_t>(dims[0]);
    std::vector<std::byte> bytes(dsmm::i4s_bytes(rows, depth, group));
    const std::size_t nibbles = rows * ((depth + 1) / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(i < nibbles ? random.below(256) : 1 + random.below(16));
    return w.constant(name, dtype::i4s, dims, bytes, group);
  }
  std::uint32_t f32(const char* name, std::initializer_list<std::int32_t> dims, float low, float high) {
    std::vector<float> v(size(dims));
    for (float& x : v) x = random.uniform(low, high);
    return constant(name, dims, v);
  }
  std::uint32_t s32(const char* name, std::initializer_list<std::int32_t> dims, std::uint32_t range) {
    std::vector<std::int32_t> v(size(dims));
    for (std::int32_t& x : v)
      x = static_cast<std::int32_t>(random.below(2 * range + 1)) - static_cast<std::int32_t>(range);
    return constant(name, dims, v);
  }
  std::uint32_t u8(const char* name, dsmm::extents shape, dsmm::quantization q) {
    return w.value(name, dtype::u8, shape, q);
  }

  void frame() {
    const auto image = w.input("image", dtype::u8, {16, 16, 2}, {1.0f / 255, 0});
    const auto flag = w.input("has_series", dtype::f32, {1, 1, 1});
    series_ = w.state("series", dtype::u8, {4, 1, 8}, {0.05f, 128});
    const auto a = u8("a", {8, 8, 8}, {0.05f, 0}), b = u8("b", {8, 8, 8}, {0.05f, 128}),
               c = u8("c", {8, 8, 8}, {0.1f, 100});
    const auto d = u8("d", {8, 8, 8}, {0.5f, 100}), e = u8("e", {4, 4, 8}, {0.5f, 100}),
               f = u8("f", {8, 8, 8}, {0.5f, 100});
    const auto map = w.output("map", dtype::u8, {8, 8, 8}, {1.0f / 255, 0});
    const auto g = u8("g", {1, 1, 8}, {0.5f, 100}), h = u8("h", {1, 1, 8}, {0.5f, 100}),
               j = u8("j", {1, 1, 8}, {0.05f, 128});
    const auto k = u8("k", {1, 1, 8}, {0.05f, 128}), m = u8("m", {1, 1, 24}, {0.5f, 100}),
               n = u8("n", {1, 1, 24}, {0.03f, 128});
    const auto logits = w.output("logits", dtype::f32, {1, 1, 3}),
               prob = w.output("probability", dtype::f32, {1, 1, 3});
    const auto score = w.output("score", dtype::f32, {1, 1, 1}), cal = w.value("calibrated", dtype::f32, {1, 1, 3});
    const auto real = w.value("real", dtype::f32, {1, 1, 8});
    w.program("frame");
    w.op(op_kind::conv2d, "conv",
         {image, i4s("conv.w", {8, 3, 3, 2}, 0), s32("conv.b", {8}, 100), f32("conv.s", {8}, 0.001f, 0.01f)}, {a},
         {2, 2, 1, 1, 1, 1, 1, 1, 1, 1});
    w.op(op_kind::dwconv2d, "depthwise",
         {a, s8("dw.w", {8, 3, 3, 1}), s32("dw.b", {8}, 100), f32("dw.s", {8}, 0.001f, 0.01f)}, {b},
         {1, 1, 1, 1, 1, 1, 1, 1, 0});
    w.op(op_kind::add, "add", {a, b}, {c}, {0});
    w.op(op_kind::mul, "mul", {c, a}, {d}, {0});
    w.op(op_kind::max_pool, "max", {d}, {e}, {2, 2, 2, 2, 0, 0, 0, 0});
    w.op(op_kind::resize, "up", {e}, {f}, {1, 8, 8});
    std::vector<std::int32_t> table(256);
    for (std::int32_t& v : table) v = static_cast<std::int32_t>(random.below(256));
    w.op(op_kind::lut, "sigmoid", {f, constant("sigmoid.table", {256}, table)}, {map});
    w.op(op_kind::avg_pool, "average", {e}, {g}, {0, 0, 1, 1, 0, 0, 0, 0});
    w.op(op_kind::layer_norm, "norm", {g, f32("norm.gamma", {8}, 0.5f, 2), f32("norm.beta", {8}, -1, 1)}, {h},
         {0x3727C5AC});
    const std::vector<std::byte> absent(8, std::byte{77});
    const std::int32_t absent_dims[] = {1, 1, 8};
    const auto token = w.constant("absent", dtype::u8, absent_dims, absent, 0, {0.05f, 128});
    w.op(op_kind::avg_pool, "memory", {series_}, {j}, {0, 0, 0, 0, 0, 0, 0, 0});
    w.op(op_kind::select, "gate", {flag, j, token}, {k});
    w.op(op_kind::concat, "join", {g, h, k}, {m}, {2});
    w.op(op_kind::linear, "dense",
         {m, i4s("dense.w", {24, 1, 1, 24}, 32), s32("dense.b", {24}, 100), f32("dense.s", {24}, 0.001f, 0.01f)}, {n},
         {1});
    w.op(op_kind::linear, "head",
         {n, s8("head.w", {3, 1, 1, 24}), s32("head.b", {3}, 100), f32("head.s", {3}, 0.001f, 0.01f)}, {logits}, {0});
    w.op(op_kind::softmax, "softmax", {logits}, {prob});
    w.op(op_kind::calibrate, "calibrate",
         {logits, constant<float>("knots", {3, 2, 2}, {-1, 1, 0, 1, -2, 2, 0, 3, -1, 1, 1, 0})}, {cal});
    w.op(op_kind::reduce, "late", {cal}, {score}, {1});
    w.op(op_kind::dequantize, "real", {h}, {real});
    const auto total = w.output("total", dtype::f32, {1, 1, 1});
    w.op(op_kind::reduce, "sum", {real}, {total}, {0});
  }

  void hop() {
    const auto samples = w.input("vibration", dtype::f32, {16, 1, 2});
    const auto past = w.state("vibration.past", dtype::f32, {64, 1, 2});
    const auto features = w.value("features", dtype::f32, {1, 1, 14});
    const auto x = u8("x", {1, 1, 14}, {0.05f, 128});
    const auto conv_past = w.state("conv.past", dtype::u8, {4, 1, 14}, {0.05f, 128});
    const auto y = u8("y", {1, 1, 8}, {0.05f, 128}), q = u8("q", {1, 1, 8}, {0.05f, 128}),
               z = u8("z", {1, 1, 8}, {0.05f, 128});
    const auto keys = w.state("keys", dtype::u8, {16, 1, 8}, {0.05f, 128});
    w.program("hop");
    w.op(op_kind::spectral, "spectrum",
         {samples, past, f32("window", {64}, 0, 1), constant<std::int32_t>("edges", {5}, {0, 2, 5, 12, 33})},
         {features});
    w.op(op_kind::quantize, "to_u8", {features, f32("to_u8.s", {14}, 1, 20), f32("to_u8.o", {14}, 100, 140)}, {x});
    w.op(op_kind::causal_conv1d, "causal",
         {x, i4s("causal.w", {8, 3, 1, 14}, 32), s32("causal.b", {8}, 100), f32("causal.s", {8}, 0.0001f, 0.001f),
          conv_past},
         {y}, {2, 0});
    w.op(op_kind::append, "remember", {y, keys}, {});
    w.op(op_kind::linear, "query",
         {y, s8("query.w", {8, 1, 1, 8}), s32("query.b", {8}, 100), f32("query.s", {8}, 0.0001f, 0.001f)}, {q}, {0});
    w.op(op_kind::attention, "attend", {q, keys, keys, s8("r", {16, 8}), s32("rb", {2, 16}, 1000)}, {z}, {2, 1});
    w.op(op_kind::append, "publish", {z, series_}, {});
  }

  /// A picture, channels first.
  void enter() {
    const std::int32_t planes_dims[] = {1, 2, 3, 5};
    const auto planes = w.plain(dsmm::format::tensor_kind::input, "planes", dtype::f32, planes_dims);
    const auto entered = w.output("entered", dtype::u8, {3, 5, 2}, {0.05f, 128});
    w.program("enter");
    w.op(op_kind::quantize_planes, "enter", {planes, f32("enter.s", {2}, 1, 20), f32("enter.o", {2}, 100, 140)},
         {entered});
  }

  dsmm::rng random{1};
  std::uint32_t series_ = 0;
};

inline dsmm::model_writer writer() {
  builder b;
  b.build();
  return b.w;
}

/// The file's bytes. The caller's test has checked once that writing works.
inline dsmm::file_bytes file() {
  dsmm::result<dsmm::file_bytes> made = writer().finish();
  return made ? std::move(*made) : dsmm::file_bytes();
}

}  // namespace every_op
