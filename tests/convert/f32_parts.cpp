// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/f32_parts.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "dsmm/convert/quantize/quantize.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/core/thread_pool.hpp"
#include "dsmm/ops/nd/registry.hpp"

using namespace dsmm;

namespace {

/// image (1, 2, 8, 8) of x and y, each in -1 to 1: a layer makes 31.75 x and 31.75 x + y of it, the head their
/// difference, y. Weights are exact at 8 bits; what the head reads is not. Only the middles of the layer's kernels are
/// not 0: work that is better left to integers.
file_bytes cancelling_net() {
  model_writer w;
  const std::int32_t in_dims[] = {1, 2, 8, 8}, out_dims[] = {1, 1, 8, 8};
  const std::uint32_t image = w.plain(format::tensor_kind::input, "image", dtype::f32, in_dims);
  const std::uint32_t y = w.plain(format::tensor_kind::output, "y", dtype::f32, out_dims);
  w.program("main");
  const std::uint32_t both = w.plain(format::tensor_kind::value, "", dtype::f32, in_dims);
  constexpr std::size_t taps = 225;
  std::vector<float> mix(4 * taps, 0.0f);
  mix[taps / 2] = mix[2 * taps + taps / 2] = 31.75f, mix[3 * taps + taps / 2] = 1.0f;
  const std::vector<float> difference{-1.0f, 1.0f};
  const std::vector<std::int32_t> wide{1, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 7, 7, 0, 7, 7, 0};
  const std::vector<std::int32_t> pixelwise{1, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
  const std::uint32_t first[] = {image, w.constant<float>("", {2, 2, 15, 15}, mix)};
  const std::uint32_t second[] = {both, w.constant<float>("", {1, 2, 1, 1}, difference)};
  w.op(op_kind::nd_conv, "mix", first, std::span(&both, 1), wide);
  w.op(op_kind::nd_conv, "head", second, std::span(&y, 1), pixelwise);
  auto file = w.finish();
  REQUIRE_MESSAGE(file.has_value(), file.error().text);
  return std::move(*file);
}

convert::sample_set noise_pictures() {
  return {16, [](std::size_t i, std::span<const std::span<std::byte>> in) -> result<void> {
            rng r(50 + i);
            std::vector<float> v(128);
            for (float& x : v) x = r.uniform(-1.0f, 1.0f);
            std::memcpy(in[0].data(), v.data(), in[0].size());
            return {};
          }};
}

struct quantized_case {
  std::vector<std::byte> bytes;
  convert::quantize_report report;
};

quantized_case quantized(double max_loss, bool f32, std::uint32_t threads) {
  const file_bytes net = cancelling_net();
  thread_pool pool(threads);
  convert::quantize_options o;
  o.bits = 8;
  o.max_loss = max_loss;
  o.f32_for_loss = f32;
  o.run.exec = pool.handle();
  o.run.general = &dsmm::ops::nd::find_definition;
  quantized_case c;
  const auto made = convert::quantize_model(*model::open(net.bytes()), noise_pictures(), o, &c.report);
  REQUIRE_MESSAGE(made.has_value(), made.error().text);
  c.bytes.assign(made->bytes().begin(), made->bytes().end());
  REQUIRE(c.report.layers.size() == 2);
  return c;
}

}  // namespace

TEST_CASE("f32_parts: a head whose input no grid holds runs in f32, what feeds it on integers") {
  const quantized_case c = quantized(1.0, true, 1);
  CHECK(c.report.loss <= 1.0);
  CHECK(c.report.layers[0].bits == 8);
  CHECK(c.report.layers[1].bits == 32);
  CHECK(c.report.layers[1].name == "head");
  CHECK(c.report.layers[1].bytes == c.report.layers[1].bytes_fp32);
}

TEST_CASE("f32_parts: not where it is forbidden, and not where the bound holds anyway") {
  const quantized_case integers = quantized(1.0, false, 1), loose = quantized(50.0, true, 1);
  CHECK(integers.report.loss > 1.0);
  for (const convert::layer_report& l : integers.report.layers) CHECK(l.bits == 8);
  CHECK(integers.bytes == loose.bytes);
}

TEST_CASE("f32_parts: the same file at any number of threads") {
  CHECK(quantized(1.0, true, 1).bytes == quantized(1.0, true, 2).bytes);
}

TEST_CASE("f32_parts: a bound that no integers hold leaves everything in f32") {
  const quantized_case c = quantized(1e-9, true, 1);
  CHECK(c.report.loss <= 1e-9);
  for (const convert::layer_report& l : c.report.layers) CHECK(l.bits == 32);
}
