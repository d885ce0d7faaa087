// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dsmm/core/quant.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/writer.hpp"

/// Small random networks for tests; the same on every machine.
namespace samples {

/// A file, its model and a session on memory of its own.
struct loaded {
  dsmm::file_bytes file;
  dsmm::model model;
  std::vector<std::byte> memory;
  dsmm::session session;

  static std::span<std::byte> aligned(std::vector<std::byte>& memory, std::size_t bytes) {
    memory.resize(bytes + 64);
    void* at = memory.data();
    std::size_t space = memory.size();
    return {static_cast<std::byte*>(std::align(64, bytes, at, space)), bytes};
  }
};

inline dsmm::result<loaded> load(const dsmm::model_writer& writer, const dsmm::session_options& options = {}) {
  auto file = writer.finish();
  if (!file) return file.error();
  auto model = dsmm::model::open(file->bytes());
  if (!model) return model.error();
  const auto bytes = dsmm::session::required(*model, options);
  if (!bytes) return bytes.error();
  std::vector<std::byte> memory;
  const auto arena = loaded::aligned(memory, *bytes);
  auto session = dsmm::session::prepare(*model, arena, options);
  if (!session) return session.error();
  return loaded{std::move(*file), *model, std::move(memory), *session};
}

/// Adds the constants of a convolution: weights, bias, scale.
struct conv_constants {
  std::uint32_t w, bias, scale;
};

inline conv_constants add_conv(dsmm::model_writer& m, dsmm::rng& random, std::int32_t out, std::int32_t kh,
                               std::int32_t kw, std::int32_t in, bool four_bit = true) {
  const std::int32_t dims[] = {out, kh, kw, in};
  const auto depth = static_cast<std::size_t>(kh * kw * in);
  const auto rows = static_cast<std::size_t>(out);
  const std::string name = "w" + std::to_string(random.u32());
  conv_constants c{};
  if (four_bit) {
    constexpr std::uint32_t group = 32;
    std::vector<std::byte> bytes(dsmm::i4s_bytes(rows, depth, group));
    const std::size_t nibbles = rows * ((depth + 1) / 2);
    for (std::size_t i = 0; i < nibbles; ++i) bytes[i] = static_cast<std::byte>(random.below(256));
    if (depth % 2 != 0)
      for (std::size_t r = 0; r < rows; ++r) bytes[(r + 1) * ((depth + 1) / 2) - 1] &= std::byte{0x0F};
    for (std::size_t i = nibbles; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(1 + random.below(16));
    c.w = m.constant(name, dsmm::dtype::i4s, dims, bytes, group);
  } else {
    std::vector<std::int8_t> values(rows * depth);
    for (auto& v : values) v = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
    c.w = m.constant(name, dsmm::dtype::s8, dims, std::as_bytes(std::span(values)));
  }
  std::vector<std::int32_t> bias(rows);
  std::vector<float> scale(rows);
  for (auto& b : bias) b = static_cast<std::int32_t>(random.below(4001)) - 2000;
  for (auto& s : scale) s = random.uniform(0.5f, 1.5f) / (60.0f * std::sqrt(static_cast<float>(depth)));
  c.bias = m.constant<std::int32_t>(name + "b", {out}, bias);
  c.scale = m.constant<float>(name + "s", {out}, scale);
  return c;
}

/// A picture network: stem on one channel, strided and dilated layers, grouped layer, residual, pools, two heads.
inline dsmm::model_writer picture_net(std::int32_t size = 48) {
  using dsmm::op_kind;
  dsmm::model_writer m;
  dsmm::rng random(7);
  const dsmm::quantization q{1.0f / 64, 0}, signed_q{1.0f / 32, 121};
  const auto half = (size + 1) / 2, quarter = (half + 1) / 2;
  const auto image = m.input("image", dsmm::dtype::u8, {size, size, 1}, {1.0f / 255, 0});
  const auto a = m.value("a", dsmm::dtype::u8, {half, half, 10}, q);
  const auto b = m.value("b", dsmm::dtype::u8, {half, half, 10}, signed_q);
  const auto c = m.value("c", dsmm::dtype::u8, {half, half, 10}, q);
  const auto d = m.value("d", dsmm::dtype::u8, {quarter, quarter, 24}, q);
  const auto e = m.value("e", dsmm::dtype::u8, {quarter, quarter, 24}, q);
  const auto pooled = m.value("pooled", dsmm::dtype::u8, {1, 1, 24}, q);
  const auto map = m.output("map", dsmm::dtype::u8, {quarter, quarter, 1}, {1.0f / 16, 130});
  const auto score = m.output("score", dsmm::dtype::f32, {1, 1, 3});
  const auto stem = add_conv(m, random, 10, 5, 5, 1, false);
  const auto dilated = add_conv(m, random, 10, 3, 3, 10);
  const auto down = add_conv(m, random, 24, 3, 3, 10);
  const auto grouped = add_conv(m, random, 24, 3, 3, 8);
  const auto to_map = add_conv(m, random, 1, 1, 1, 24, false);
  const auto head = add_conv(m, random, 3, 1, 1, 24, false);
  m.program("frame");
  m.op(op_kind::conv2d, "stem", {image, stem.w, stem.bias, stem.scale}, {a}, {2, 2, 2, 2, 2, 2, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "dilated", {a, dilated.w, dilated.bias, dilated.scale}, {b}, {1, 1, 3, 3, 3, 3, 3, 3, 1, 0});
  m.op(op_kind::add, "residual", {a, b}, {c}, {1});
  m.op(op_kind::conv2d, "down", {c, down.w, down.bias, down.scale}, {d}, {2, 2, 1, 1, 1, 1, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "grouped", {d, grouped.w, grouped.bias, grouped.scale}, {e}, {1, 1, 1, 1, 1, 1, 1, 1, 3, 1});
  m.op(op_kind::conv2d, "to_map", {e, to_map.w, to_map.bias, to_map.scale}, {map}, {1, 1, 0, 0, 0, 0, 1, 1, 1, 0});
  m.op(op_kind::avg_pool, "pool", {e}, {pooled}, {0, 0, 1, 1, 0, 0, 0, 0});
  m.op(op_kind::linear, "head", {pooled, head.w, head.bias, head.scale}, {score}, {0});
  return m;
}

}  // namespace samples
