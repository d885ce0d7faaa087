// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/infer_shapes.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/every_op_model.hpp"
#include "tests/model/sealed.hpp"

using dsmm::dtype;
using dsmm::errc;
using dsmm::op_kind;

namespace {

template <class Rows>
std::uint32_t named(const dsmm::model& m, const Rows& rows, std::string_view name) {
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    if (m.name(rows[i].name) == name) return i;
  FAIL("no row of this name");
  return 0;
}

/// Input `i` of a named op reads another tensor instead.
errc rewired(const char* op, std::uint32_t i, const char* tensor) {
  const auto file = every_op::file();
  const dsmm::model m = *dsmm::model::open(file.bytes());
  sealed_file f(file.bytes());
  f.index(m.ops()[named(m, m.ops(), op)].first_input + i) = named(m, m.tensors(), tensor);
  const auto opened = dsmm::model::open(f.seal().bytes());
  if (!opened && opened.error().code != errc::bad_layout) CHECK(std::string(opened.error().name) == op);
  return opened ? errc::ok : opened.error().code;
}

/// A named tensor gets another shape, and nothing else changes.
errc reshaped(const char* tensor, dsmm::extents shape) {
  const auto file = every_op::file();
  const dsmm::model m = *dsmm::model::open(file.bytes());
  sealed_file f(file.bytes());
  f.tensor(named(m, m.tensors(), tensor)).dims = {shape.h, shape.w, shape.c, 1, 1, 1};
  const auto opened = dsmm::model::open(f.seal().bytes());
  return opened ? errc::ok : opened.error().code;
}

/// One op of its own: u8 inputs of these shapes, f32 and s32 constants of zeros.
errc attention(std::int32_t width, std::int32_t heads, std::vector<std::int32_t> r, std::vector<std::int32_t> rb) {
  dsmm::model_writer w;
  const dsmm::quantization q{0.1f, 128};
  const auto x = w.input("x", dtype::u8, {2, 1, width}, q);
  const auto y = w.output("y", dtype::u8, {2, 1, width}, q);
  const auto bytes = [](const std::vector<std::int32_t>& dims, std::size_t size) {
    for (const std::int32_t d : dims) size *= static_cast<std::size_t>(d);
    return std::vector<std::byte>(size);
  };
  const auto r_index = r.empty() ? dsmm::format::no_tensor : w.constant("r", dtype::s8, r, bytes(r, 1));
  const auto rb_index = rb.empty() ? dsmm::format::no_tensor : w.constant("rb", dtype::s32, rb, bytes(rb, 4));
  w.program("main");
  w.op(op_kind::attention, "attention", {x, x, x, r_index, rb_index}, {y}, {heads, 1});
  const auto file = w.finish();
  return file ? errc::ok : file.error().code;
}

/// Attention of four queries and keys, two heads of four channels, that rounds or has a bias.
errc attention_with(std::vector<float> levels, std::vector<std::int32_t> powers, std::vector<std::int32_t> bias_dims,
                    std::int32_t bias, std::vector<std::int32_t> kinds) {
  dsmm::model_writer w;
  const dsmm::quantization q{0.1f, 128};
  const auto x = w.input("x", dtype::u8, {4, 1, 8}, q), y = w.output("y", dtype::u8, {4, 1, 8}, q);
  std::vector<std::uint32_t> in(9, dsmm::format::no_tensor);
  in[0] = in[1] = in[2] = x;
  const auto length = [](const auto& v) { return static_cast<std::int32_t>(v.size()); };
  if (!levels.empty()) in[5] = w.constant<float>("levels", {length(levels)}, levels);
  if (!powers.empty()) in[6] = w.constant<std::int32_t>("powers", {length(powers)}, powers);
  std::size_t count = 1;
  for (const std::int32_t d : bias_dims) count *= static_cast<std::size_t>(d);
  const std::vector<std::int32_t> values(count, bias);
  if (!bias_dims.empty()) in[7] = w.constant("bias", dtype::s32, bias_dims, std::as_bytes(std::span(values)));
  if (!kinds.empty()) in[8] = w.constant<std::int32_t>("kinds", {length(kinds)}, kinds);
  w.program("main");
  w.op(op_kind::attention, "attention", in, std::span(&y, 1), std::vector<std::int32_t>{2, 0});
  const auto file = w.finish();
  return file ? errc::ok : file.error().code;
}

/// A convolution along one axis: its output has `expected` pixels.
errc convolved(std::int32_t size, std::int32_t kernel, std::int32_t stride, std::int32_t pad, std::int32_t dilation,
               std::int32_t expected) {
  dsmm::model_writer w;
  const auto x = w.input("x", dtype::u8, {1, size, 1}, {0.1f, 0});
  const auto y = w.output("y", dtype::u8, {1, expected, 1}, {0.1f, 0});
  const std::vector<std::int8_t> weights(static_cast<std::size_t>(kernel), 1);
  const std::vector<std::int32_t> bias(1);
  const std::vector<float> scale(1, 0.1f);
  const auto wi = w.constant<std::int8_t>("w", {1, 1, kernel, 1}, weights);
  const auto bi = w.constant<std::int32_t>("b", {1}, bias);
  const auto si = w.constant<float>("s", {1}, scale);
  w.program("main");
  w.op(op_kind::conv2d, "conv", {x, wi, bi, si}, {y}, {1, stride, 0, pad, 0, pad, 1, dilation, 1, 0});
  const auto file = w.finish();
  return file ? errc::ok : file.error().code;
}

/// quantize_planes of an input of these dimensions to (2, 3, 4), with scales for `channels`.
errc planes(std::vector<std::int32_t> dims, std::int32_t channels, dtype type = dtype::f32) {
  dsmm::model_writer w;
  const auto x = w.plain(dsmm::format::tensor_kind::input, "x", type, dims);
  const auto y = w.output("y", dtype::u8, {2, 3, 4}, {0.1f, 0});
  const std::vector<float> ones(static_cast<std::size_t>(channels), 1.0f);
  const auto s = w.constant<float>("s", {channels}, ones), o = w.constant<float>("o", {channels}, ones);
  w.program("main");
  w.op(op_kind::quantize_planes, "enter", {x, s, o}, {y});
  const auto file = w.finish();
  return file ? errc::ok : file.error().code;
}

}  // namespace

TEST_CASE("planes of f32 are the one plain tensor that the integer tier reads") {
  CHECK(planes({1, 4, 2, 3}, 4) == errc::ok);
  CHECK(planes({1, 4, 2, 3}, 3) == errc::shape_mismatch);
  CHECK(planes({1, 2, 3, 4}, 4) == errc::shape_mismatch);
  CHECK(planes({2, 2, 2, 3}, 4) != errc::ok);
  CHECK(planes({1, 1, 4, 2, 3}, 4) != errc::ok);
  CHECK(planes({1, 4, 2, 3}, 4, dtype::s32) != errc::ok);
}

TEST_CASE("attention that rounds has levels and powers that cannot leave what kernels hold") {
  const std::vector<std::int32_t> powers(256, 65535);
  const std::vector<float> levels{0.02f, 118, 1 / 255.0f, 0};
  CHECK(attention_with(levels, powers, {}, 0, {}) == errc::ok);
  CHECK(attention_with(levels, {}, {}, 0, {}) == errc::bad_value);
  CHECK(attention_with({}, powers, {}, 0, {}) == errc::bad_value);
  CHECK(attention_with({0.02f, 118, 0.004f}, powers, {}, 0, {}) == errc::shape_mismatch);
  CHECK(attention_with(levels, {65535, 3}, {}, 0, {}) == errc::shape_mismatch);
  for (const std::vector<float>& bad : {std::vector<float>{-0.02f, 0, 0.004f, 0},
                                        {0.02f, 256, 0.004f, 0},
                                        {0.02f, 0, 1e-5f, 0},
                                        {0.02f, 0, 0.004f, -1},
                                        {0.02f, std::nanf(""), 0.004f, 0}})
    CHECK(attention_with(bad, powers, {}, 0, {}) == errc::bad_value);
  for (const auto& [index, value] : {std::pair{std::size_t{0}, 0}, {9, -1}, {9, 65536}}) {
    std::vector<std::int32_t> bad = powers;
    bad[index] = value;
    CHECK(attention_with(levels, bad, {}, 0, {}) == errc::bad_value);
  }
}

TEST_CASE("attention in windows has a bias for each window and no rows left over") {
  CHECK(attention_with({}, {}, {1, 2, 4, 4}, 1 << 29, {}) == errc::ok);
  CHECK(attention_with({}, {}, {1, 1, 4, 4}, -(1 << 29), {}) == errc::ok);
  CHECK(attention_with({}, {}, {3, 2, 2, 2}, 5, {2, 0}) == errc::ok);
  CHECK(attention_with({}, {}, {}, 0, {0, 0, 0, 0}) == errc::ok);
  CHECK(attention_with({}, {}, {1, 2, 4, 4}, (1 << 29) + 1, {}) == errc::bad_value);
  CHECK(attention_with({}, {}, {1, 3, 4, 4}, 0, {}) == errc::shape_mismatch);
  CHECK(attention_with({}, {}, {3, 2, 4, 4}, 5, {2, 0}) == errc::shape_mismatch);
  CHECK(attention_with({}, {}, {3, 2, 2, 2}, 5, {3, 0}) == errc::bad_value);
  CHECK(attention_with({}, {}, {3, 2, 2, 2}, 5, {-1, 0}) == errc::bad_value);
  CHECK(attention_with({}, {}, {}, 0, {0, 1}) == errc::bad_value);
  CHECK(attention_with({}, {}, {}, 0, {0, 0, 0}) == errc::shape_mismatch);
}

TEST_CASE("windows have the extents of every other framework") {
  CHECK(convolved(10, 3, 1, 1, 1, 10) == errc::ok);
  CHECK(convolved(10, 3, 2, 1, 1, 5) == errc::ok);
  CHECK(convolved(11, 3, 2, 1, 1, 6) == errc::ok);
  CHECK(convolved(10, 3, 2, 0, 1, 4) == errc::ok);
  CHECK(convolved(10, 3, 1, 4, 4, 10) == errc::ok);
  CHECK(convolved(9, 3, 1, 0, 4, 1) == errc::ok);
  CHECK(convolved(8, 3, 1, 0, 4, 1) == errc::shape_mismatch);  // the kernel reaches over 9
  CHECK(convolved(10, 3, 2, 1, 1, 6) == errc::shape_mismatch);
  CHECK(convolved(10, 3, 16'384, 1, 1, 1) == errc::ok);
  CHECK(convolved(10, 3, 16'385, 1, 1, 1) == errc::bad_value);
  CHECK(convolved(10, 3, 1, 3, 1, 14) == errc::bad_value);  // a window of padding alone
}

TEST_CASE("convolutions read u8 of this run and constants that fit") {
  CHECK(rewired("depthwise", 0, "series") == errc::dtype_mismatch);
  CHECK(rewired("depthwise", 0, "absent") == errc::dtype_mismatch);
  CHECK(rewired("conv", 1, "dw.b") == errc::dtype_mismatch);
  CHECK(rewired("conv", 1, "dw.w") == errc::shape_mismatch);
  CHECK(rewired("conv", 2, "conv.s") == errc::shape_mismatch);
  CHECK(rewired("conv", 3, "conv.b") == errc::shape_mismatch);
  CHECK(rewired("conv", 3, "dense.s") == errc::shape_mismatch);
  CHECK(rewired("depthwise", 1, "head.w") == errc::shape_mismatch);
  CHECK(rewired("depthwise", 1, "query.w") == errc::shape_mismatch);
  CHECK(rewired("dense", 0, "absent") == errc::dtype_mismatch);
  CHECK(rewired("dense", 0, "has_series") == errc::dtype_mismatch);
  CHECK(rewired("dense", 1, "query.w") == errc::shape_mismatch);
  CHECK(rewired("causal", 0, "features") == errc::dtype_mismatch);
  CHECK(rewired("causal", 1, "query.w") == errc::shape_mismatch);
}

TEST_CASE("pools read values, and states as a whole only") {
  CHECK(rewired("max", 0, "r") == errc::dtype_mismatch);
  CHECK(rewired("max", 0, "series") == errc::bad_value);
  CHECK(reshaped("series", {1 << 24, 1, 8}) == errc::too_large);  // the sum of an average
}

TEST_CASE("pointwise ops") {
  CHECK(rewired("add", 1, "absent") == errc::ok);  // (1, 1, C) is spread over the picture
  CHECK(rewired("add", 0, "absent") == errc::shape_mismatch);
  CHECK(rewired("add", 1, "has_series") == errc::dtype_mismatch);
  CHECK(rewired("mul", 1, "image") == errc::shape_mismatch);
  CHECK(rewired("join", 1, "has_series") == errc::dtype_mismatch);
  CHECK(rewired("join", 1, "e") == errc::shape_mismatch);
  CHECK(rewired("up", 0, "r") == errc::dtype_mismatch);
  CHECK(rewired("sigmoid", 0, "has_series") == errc::dtype_mismatch);
  CHECK(rewired("sigmoid", 1, "edges") == errc::shape_mismatch);
  CHECK(rewired("norm", 0, "norm.gamma") == errc::dtype_mismatch);
  CHECK(rewired("norm", 0, "has_series") == errc::shape_mismatch);  // f32 may be normalised too, of 8 channels
  CHECK(rewired("norm", 1, "conv.b") == errc::shape_mismatch);
  CHECK(rewired("norm", 2, "window") == errc::shape_mismatch);
  CHECK(rewired("softmax", 0, "h") == errc::dtype_mismatch);
  CHECK(rewired("to_u8", 0, "absent") == errc::dtype_mismatch);
  CHECK(rewired("to_u8", 1, "window") == errc::shape_mismatch);
  CHECK(rewired("real", 0, "has_series") == errc::dtype_mismatch);
  CHECK(rewired("gate", 2, "knots") == errc::dtype_mismatch);
  CHECK(rewired("gate", 2, "a") == errc::shape_mismatch);
  CHECK(rewired("calibrate", 0, "map") == errc::shape_mismatch);
  CHECK(rewired("calibrate", 1, "window") == errc::shape_mismatch);
  CHECK(rewired("late", 0, "h") == errc::dtype_mismatch);
}

TEST_CASE("series ops") {
  CHECK(rewired("attend", 0, "vibration") == errc::dtype_mismatch);
  CHECK(rewired("attend", 1, "x") == errc::shape_mismatch);
  CHECK(rewired("attend", 2, "y") == errc::shape_mismatch);
  CHECK(rewired("attend", 3, "rb") == errc::shape_mismatch);
  CHECK(rewired("attend", 4, "r") == errc::shape_mismatch);
  CHECK(rewired("remember", 0, "absent") == errc::bad_value);
  CHECK(rewired("remember", 0, "x") == errc::shape_mismatch);
  CHECK(rewired("publish", 0, "x") == errc::shape_mismatch);
  CHECK(rewired("spectrum", 1, "conv.past") == errc::bad_layout);  // pushed into by another op, too
  CHECK(rewired("spectrum", 2, "edges") == errc::shape_mismatch);
  CHECK(rewired("spectrum", 3, "window") == errc::shape_mismatch);
  CHECK(reshaped("vibration", {16, 1, 3}) == errc::shape_mismatch);
  CHECK(reshaped("vibration", {1, 1, 2}) == errc::ok);
}

TEST_CASE("attention is bounded so that its scores fit 32 bits") {
  CHECK(attention(8, 2, {4, 8}, {2, 4}) == errc::ok);
  CHECK(attention(8, 2, {}, {}) == errc::ok);
  CHECK(attention(8, 2, {5, 8}, {2, 4}) == errc::shape_mismatch);
  CHECK(attention(8, 2, {4, 4}, {}) == errc::shape_mismatch);
  CHECK(attention(8, 2, {}, {4, 4}) == errc::shape_mismatch);
  CHECK(attention(8, 3, {}, {}) == errc::bad_value);
  CHECK(attention(4096, 1, {}, {}) == errc::ok);
  CHECK(attention(4097, 1, {}, {}) == errc::too_large);
}
