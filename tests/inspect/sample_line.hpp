// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dsmm/model/level_writer.hpp"
#include "tests/graph/sample_models.hpp"

/// A small untrained model with everything that an inspection model has: a picture, a vibration sensor that sets the
/// beat, two slow ones, memory, attention, a map, scores. Its verdicts mean nothing; its plumbing is real.
namespace samples {

inline constexpr std::int32_t line_size = 64, line_hop = 64;

/// stem_channels  channels of the first convolution.
inline dsmm::model_writer line_net(const char* threshold = "0.0", std::int32_t stem_channels = 8) {
  using dsmm::dtype, dsmm::op_kind;
  dsmm::model_writer m;
  dsmm::rng random(31);
  const dsmm::quantization q{1.0f / 64, 0}, s{1.0f / 32, 128};
  const auto zeros = [](std::size_t n, float v) { return std::vector<float>(n, v); };

  // hop: 64 samples of vibration and the slow values become one row of the memory
  const auto vibration = m.input("vibration", dtype::f32, {line_hop, 1, 3});
  const auto slow = m.input("slow", dtype::f32, {1, 1, 2});
  const auto past = m.state("past", dtype::f32, {256, 1, 3});
  const auto memory = m.state("memory", dtype::u8, {8, 1, 16}, s);
  std::vector<float> window(256);
  for (std::size_t i = 0; i < 256; ++i) window[i] = static_cast<float>(i < 128 ? i : 255 - i) / 128.0f;
  const std::int32_t edges[] = {1, 2, 4, 8, 16, 40, 128};
  const auto w = m.constant<float>("window", {256}, window);
  const auto e = m.constant<std::int32_t>("edges", {7}, edges);
  const auto bands = m.value("bands", dtype::f32, {1, 1, 27});
  const auto features = m.value("features", dtype::f32, {1, 1, 29});
  const auto quantized = m.value("quantized", dtype::u8, {1, 1, 29}, s);
  const auto token = m.value("token", dtype::u8, {1, 1, 16}, s);
  const auto scale = m.constant<float>("qs", {29}, zeros(29, 4.0f)),
             offset = m.constant<float>("qo", {29}, zeros(29, 128.0f));
  const auto embed = add_conv(m, random, 16, 1, 1, 29);

  // frame: picture to map and token, token attends to the memory, both to the scores
  const auto image = m.input("image", dtype::u8, {line_size, line_size, 1}, {1.0f / 255, 0});
  const auto has_image = m.input("has_image", dtype::f32, {1, 1, 1});
  const auto has_series = m.input("has_series", dtype::f32, {1, 1, 1});
  const auto a = m.value("a", dtype::u8, {32, 32, stem_channels}, q);
  const auto b = m.value("b", dtype::u8, {16, 16, 16}, q);
  const auto map = m.output("map", dtype::u8, {16, 16, 1}, {1.0f / 255, 0});
  const auto pooled = m.value("pooled", dtype::u8, {1, 1, 16}, s);
  const auto seen = m.value("seen", dtype::u8, {1, 1, 16}, s);
  const auto felt = m.value("felt", dtype::u8, {1, 1, 16}, s);
  const auto normed = m.value("normed", dtype::u8, {1, 1, 16}, s);
  const auto known = m.value("known", dtype::u8, {1, 1, 16}, s);
  const auto both = m.value("both", dtype::u8, {1, 1, 32}, s);
  const auto image_score = m.output("image_score", dtype::f32, {1, 1, 1});
  const auto joint_score = m.output("joint_score", dtype::f32, {1, 1, 1});
  const auto classes = m.output("class", dtype::f32, {1, 1, 3});
  std::vector<std::byte> absent_bytes(16, std::byte{131});
  const std::int32_t token_dims[] = {1, 1, 16};
  const auto absent = m.constant("absent", dtype::u8, token_dims, absent_bytes, 0, s);
  const auto gamma = m.constant<float>("gamma", {16}, zeros(16, 1.0f)),
             beta = m.constant<float>("beta", {16}, zeros(16, 0.1f));
  const auto stem = add_conv(m, random, stem_channels, 5, 5, 1, false);
  const auto body = add_conv(m, random, 16, 3, 3, stem_channels);
  const auto to_map = add_conv(m, random, 1, 1, 1, 16, false);
  const auto image_head = add_conv(m, random, 1, 1, 1, 16, false);
  const auto joint_head = add_conv(m, random, 1, 1, 1, 32, false);
  const auto class_head = add_conv(m, random, 3, 1, 1, 32, false);

  m.program("hop");
  m.op(op_kind::spectral, "spectral", {vibration, past, w, e}, {bands});
  m.op(op_kind::concat, "features", {bands, slow}, {features}, {2});
  m.op(op_kind::quantize, "quantize", {features, scale, offset}, {quantized});
  m.op(op_kind::linear, "embed", {quantized, embed.w, embed.bias, embed.scale}, {token}, {0});
  m.op(op_kind::append, "remember", {token, memory}, {});
  m.program("frame");
  m.op(op_kind::conv2d, "stem", {image, stem.w, stem.bias, stem.scale}, {a}, {2, 2, 2, 2, 2, 2, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "body", {a, body.w, body.bias, body.scale}, {b}, {2, 2, 1, 1, 1, 1, 1, 1, 1, 1});
  m.op(op_kind::conv2d, "map", {b, to_map.w, to_map.bias, to_map.scale}, {map}, {1, 1, 0, 0, 0, 0, 1, 1, 1, 1});
  m.op(op_kind::avg_pool, "pool", {b}, {pooled}, {0, 0, 1, 1, 0, 0, 0, 0});
  m.op(op_kind::select, "see", {has_image, pooled, absent}, {seen});
  m.op(op_kind::attention, "feel", {seen, memory, memory, dsmm::format::no_tensor, dsmm::format::no_tensor}, {felt},
       {4, 0});
  m.op(op_kind::layer_norm, "norm", {felt, gamma, beta}, {normed}, {0x3727C5AC});  // 1e-5
  m.op(op_kind::select, "know", {has_series, normed, absent}, {known});
  m.op(op_kind::concat, "join", {seen, known}, {both}, {2});
  m.op(op_kind::linear, "image_head", {seen, image_head.w, image_head.bias, image_head.scale}, {image_score}, {0});
  m.op(op_kind::linear, "joint_head", {both, joint_head.w, joint_head.bias, joint_head.scale}, {joint_score}, {0});
  m.op(op_kind::linear, "class_head", {both, class_head.w, class_head.bias, class_head.scale}, {classes}, {0});

  m.meta("product", "sample");
  m.meta("decision", "joint");
  m.meta("threshold.joint", threshold);
  m.meta("labels", "scratch,dent,chatter");
  const char* sensors[][4] = {
      {"vibration", "20000", "3", "hop"}, {"force", "1000", "1", "slow"}, {"heat", "100", "1", "slow"}};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string key = "sensor." + std::to_string(i) + ".";
    m.meta(key + "name", sensors[i][0]);
    m.meta(key + "rate_hz", sensors[i][1]);
    m.meta(key + "channels", sensors[i][2]);
    m.meta(key + "role", sensors[i][3]);
  }
  return m;
}

/// The line net and a smaller one in one file.
inline dsmm::result<dsmm::file_bytes> line_levels(const dsmm::model_writer& large, const dsmm::model_writer& small) {
  const auto a = large.finish(), b = small.finish();
  if (!a) return a.error();
  if (!b) return b.error();
  const auto whole = dsmm::model::open(a->bytes()), level = dsmm::model::open(b->bytes());
  const dsmm::level_source source{0.5f, *level, dsmm::prefix_pieces(*whole, *level)};
  return dsmm::join_levels(*whole, 1.0f, {&source, 1});
}

}  // namespace samples
