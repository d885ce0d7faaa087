// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/model/level_writer.hpp"
#include "dsmm/model/writer.hpp"

/// Small families of models whose smaller members lie in the larger ones.
namespace nested_model {

using dsmm::dtype;
using dsmm::op_kind;

inline constexpr std::int32_t full = 32;

/// The first (rows, taps, in) of a table of (full rows, taps, full in) values.
inline std::vector<std::int8_t> first_block(std::uint64_t seed, std::int32_t rows, std::int32_t taps, std::int32_t in,
                                            std::int32_t all_in) {
  std::vector<std::int8_t> out;
  dsmm::rng random(seed);
  for (std::int32_t r = 0; r < full; ++r)
    for (std::int32_t t = 0; t < taps; ++t)
      for (std::int32_t c = 0; c < all_in; ++c) {
        const auto v = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
        if (r < rows && c < in) out.push_back(v);
      }
  return out;
}

/// Two programs, s8 and i4s weights, a stream with a state; `width` hidden channels.
inline dsmm::model_writer line(std::int32_t width) {
  dsmm::model_writer w;
  const dsmm::quantization q{0.05f, 0}, around{0.05f, 128};
  const auto image = w.input("image", dtype::u8, {8, 8, 4}, {1.0f / 255, 0});
  const auto sample = w.input("sample", dtype::u8, {2, 1, 4}, around);
  const auto past = w.state("past", dtype::u8, {2, 1, 4}, around);
  const auto score = w.output("score", dtype::f32, {1, 1, 5}), felt = w.output("felt", dtype::f32, {1, 1, 5});
  const auto a = w.value("a", dtype::u8, {8, 8, width}, q), b = w.value("b", dtype::u8, {8, 8, width}, q),
             c = w.value("c", dtype::u8, {1, 1, width}, q);
  const auto h = w.value("h", dtype::u8, {2, 1, width}, q), g = w.value("g", dtype::u8, {1, 1, width}, q);
  std::uint64_t seed = 1;
  const auto common = [&](std::int32_t rows, float scale) {
    std::vector<std::int32_t> bias;
    std::vector<float> scales;
    dsmm::rng random(seed++);
    for (std::int32_t r = 0; r < full; ++r) {
      const std::int32_t v = static_cast<std::int32_t>(random.below(2001)) - 1000;
      const float s = scale * random.uniform(0.5f, 1.0f);
      if (r < rows) bias.push_back(v), scales.push_back(s * (width == full ? 1.0f : 1.25f));  // its own per level
    }
    return std::pair{w.constant<std::int32_t>("", {rows}, bias), w.constant<float>("", {rows}, scales)};
  };
  const auto s8 = [&](std::int32_t rows, std::int32_t kh, std::int32_t kw, std::int32_t in, std::int32_t all) {
    return w.constant<std::int8_t>("", {rows, kh, kw, in}, first_block(seed++, rows, kh * kw, in, all));
  };
  const auto i4s = [&](std::int32_t rows) {  // (rows, 3, 3, 4), groups of 32
    const std::int32_t dims[] = {rows, 3, 3, 4};
    std::vector<std::byte> nibbles, scales;
    dsmm::rng random(seed++);
    for (std::int32_t r = 0; r < full; ++r)
      for (int i = 0; i < 20; ++i) {
        const auto v = i < 18 ? random.below(256) : 1 + random.below(16);
        if (r < rows) (i < 18 ? nibbles : scales).push_back(static_cast<std::byte>(v));
      }
    nibbles.insert(nibbles.end(), scales.begin(), scales.end());
    return w.constant("", dtype::i4s, dims, nibbles, 32);
  };
  w.program("frame");
  const auto stem = i4s(width);
  const auto [stem_b, stem_s] = common(width, 1e-3f);
  w.op(op_kind::conv2d, "stem", {image, stem, stem_b, stem_s}, {a}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  const auto body = s8(width, 3, 3, width, full);
  const auto [body_b, body_s] = common(width, 1e-4f);
  w.op(op_kind::conv2d, "body", {a, body, body_b, body_s}, {b}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  w.op(op_kind::avg_pool, "pool", {b}, {c}, {0, 0, 1, 1, 0, 0, 0, 0});
  const auto head = s8(5, 1, 1, width, full);
  const auto [head_b, head_s] = common(5, 1e-3f);
  w.op(op_kind::linear, "head", {c, head, head_b, head_s}, {score}, {0});
  w.program("hop");
  const auto causal = s8(width, 3, 1, 4, 4);
  const auto [causal_b, causal_s] = common(width, 1e-3f);
  w.op(op_kind::causal_conv1d, "causal", {sample, causal, causal_b, causal_s, past}, {h}, {1, 0});
  w.op(op_kind::avg_pool, "newest", {h}, {g}, {0, 0, 1, 1, 0, 0, 0, 0});
  const auto feel = s8(5, 1, 1, width, full);
  const auto [feel_b, feel_s] = common(5, 1e-3f);
  w.op(op_kind::linear, "feel", {g, feel, feel_b, feel_s}, {felt}, {0});
  w.meta("threshold.joint", width == full ? "0.5" : "0.6");
  return w;
}

/// Two f32 products with `hidden` columns between them, taken from 12; `shift` is added to the weights.
inline dsmm::model_writer dense(const std::vector<std::uint32_t>& hidden, const std::vector<float>& shift = {}) {
  dsmm::model_writer w;
  using dsmm::format::tensor_kind;
  const auto n = static_cast<std::int32_t>(hidden.size());
  const auto dims = [](std::int32_t a, std::int32_t b) { return std::vector<std::int32_t>{a, b}; };
  const auto x = w.plain(tensor_kind::input, "x", dtype::f32, dims(2, 6));
  const auto y = w.plain(tensor_kind::output, "y", dtype::f32, dims(2, 3));
  std::vector<float> first, second;
  for (std::uint32_t r = 0; r < 6; ++r)
    for (const std::uint32_t c : hidden) first.push_back(0.125f * static_cast<float>((r * 12 + c) * 7 % 23) - 1.0f);
  for (const std::uint32_t c : hidden)
    for (std::uint32_t o = 0; o < 3; ++o) second.push_back(0.25f * static_cast<float>((c * 3 + o) * 5 % 17) - 2.0f);
  for (std::size_t i = 0; i < shift.size(); ++i) first[i] = shift[i];
  const std::int32_t one = std::bit_cast<std::int32_t>(1.0f);
  w.program("main");
  const auto v = w.plain(tensor_kind::value, "", dtype::f32, dims(2, n));
  const auto a = w.constant("", dtype::f32, dims(6, n), std::as_bytes(std::span(first)));
  const auto b = w.constant("", dtype::f32, dims(n, 3), std::as_bytes(std::span(second)));
  w.op(op_kind::nd_matmul, "one", {x, a}, {v}, {0, 0, one, one, 0, 0, 0});
  w.op(op_kind::nd_matmul, "two", {v, b}, {y}, {0, 0, one, one, 0, 0, 0});
  return w;
}

/// line(32) with 16 and 8 in it.
inline dsmm::result<dsmm::file_bytes> line_file() {
  const auto large = line(full).finish(), half = line(16).finish(), quarter = line(8).finish();
  if (!large) return large.error();
  if (!half) return half.error();
  if (!quarter) return quarter.error();
  const auto m = *dsmm::model::open(large->bytes()), s = *dsmm::model::open(half->bytes()),
             t = *dsmm::model::open(quarter->bytes());
  std::vector<dsmm::level_source> levels;
  levels.push_back({0.5f, s, dsmm::prefix_pieces(m, s)});
  levels.push_back({0.25f, t, dsmm::prefix_pieces(m, t)});
  return dsmm::join_levels(m, 1.0f, levels);
}

/// dense() of 12 columns with five and three of them in it, the five corrected.
inline dsmm::result<dsmm::file_bytes> dense_file() {
  const std::vector<std::uint32_t> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, five = {1, 2, 5, 8, 9},
                                   three = {2, 5, 9};
  const auto large = dense(all).finish();
  if (!large) return large.error();
  const auto m = *dsmm::model::open(large->bytes());
  const auto index_of = [&](std::size_t n) {  // of the n-th constant
    std::uint32_t i = 0;
    for (;; ++i)
      if (m.tensors()[i].kind == dsmm::format::tensor_kind::constant && n-- == 0) return i;
  };
  const auto plans = [&](const std::vector<std::uint32_t>& kept) {
    dsmm::piece_plan first{dsmm::format::piece_form::block, index_of(0), {}, {}, {}}, second = first;
    second.base = index_of(1);
    first.ranges[1] = dsmm::ranges_of(kept, 12);
    second.ranges[0] = dsmm::ranges_of(kept, 12);
    return std::vector{first, second};
  };
  auto five_plans = plans(five);
  five_plans[0].form = dsmm::format::piece_form::corrected;
  five_plans[0].scales = {0.001f, 0.002f, 0.003f, 0.004f, 0.005f, 0.006f};
  const auto plain = dense(five).finish();
  if (!plain) return plain.error();
  const auto p = *dsmm::model::open(plain->bytes());
  std::vector<float> shifted;
  for (std::uint32_t i = 0; i < p.tensors().size(); ++i)
    if (p.tensors()[i].kind == dsmm::format::tensor_kind::constant && shifted.empty()) {
      const auto bytes = p.constant(i);
      shifted.resize(bytes.size() / 4);
      std::memcpy(shifted.data(), bytes.data(), bytes.size());
    }
  for (std::size_t i = 0; i < shifted.size(); ++i) {
    five_plans[0].steps.push_back(static_cast<std::int8_t>(static_cast<int>(i * 37 % 255) - 127));
    shifted[i] = __builtin_fmaf(five_plans[0].scales[i / 5], static_cast<float>(five_plans[0].steps[i]), shifted[i]);
  }
  const auto middle = dense(five, shifted).finish(), small = dense(three).finish();
  if (!middle) return middle.error();
  if (!small) return small.error();
  std::vector<dsmm::level_source> levels;
  levels.push_back({0.4f, *dsmm::model::open(middle->bytes()), five_plans});
  levels.push_back({0.2f, *dsmm::model::open(small->bytes()), plans(three)});
  return dsmm::join_levels(m, 0.9f, levels);
}

}  // namespace nested_model
