// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/quantize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/core/thread_pool.hpp"
#include "dsmm/ops/nd/registry.hpp"

using namespace dsmm;
using convert::quantize_options;

namespace {

std::vector<float> random_values(std::size_t n, float low, float high, std::uint64_t seed) {
  rng r(seed);
  std::vector<float> v(n);
  for (float& x : v) x = r.uniform(low, high);
  return v;
}

/// nd_conv attributes for a square kernel with padding on all sides.
std::vector<std::int32_t> conv_attributes(std::int32_t group, std::int32_t fn, std::int32_t stride, std::int32_t pad) {
  return {group, 2, fn, 0, 0, stride, stride, 1, 1, 1, 1, pad, pad, 0, pad, pad, 0};
}

/// image (1, 3, 16, 16): conv + relu, depthwise, hard-swish, residual add + relu, max pool, two convs into a concat, a
/// channel slice, resize, flatten, product: (1, 5). Every kind that the quantizer lowers.
file_bytes small_net(std::uint64_t seed = 7) {
  model_writer w;
  const auto value = [&](std::initializer_list<std::int32_t> dims) {
    return w.plain(format::tensor_kind::value, "", dtype::f32, std::span(dims.begin(), dims.size()));
  };
  const auto weights = [&](std::initializer_list<std::int32_t> dims, float scale) {
    std::size_t n = 1;
    for (const std::int32_t d : dims) n *= static_cast<std::size_t>(d);
    return w.constant<float>("", dims, random_values(n, -scale, scale, ++seed));
  };
  const std::int32_t in_dims[] = {1, 3, 16, 16}, out_dims[] = {1, 5};
  const std::uint32_t image = w.plain(format::tensor_kind::input, "image", dtype::f32, in_dims);
  const std::uint32_t scores = w.plain(format::tensor_kind::output, "scores", dtype::f32, out_dims);
  w.program("main");
  const auto conv = [&](std::uint32_t x, std::uint32_t y, std::uint32_t k, std::uint32_t b, std::int32_t group,
                        std::int32_t fn, std::int32_t stride, std::int32_t pad, std::uint32_t residual) {
    std::vector<std::uint32_t> in{x, k, b};
    if (residual != format::no_tensor) in.push_back(residual);
    const std::uint32_t out[] = {y};
    w.op(op_kind::nd_conv, "conv", in, out, conv_attributes(group, fn, stride, pad));
  };
  const std::int32_t relu = 1, hard_swish = 10;
  const std::uint32_t a = value({1, 8, 16, 16}), b = value({1, 8, 16, 16}), c = value({1, 8, 16, 16});
  conv(image, a, weights({8, 3, 3, 3}, 0.4f), weights({8}, 0.2f), 1, relu, 1, 1, format::no_tensor);
  conv(a, b, weights({8, 1, 3, 3}, 0.4f), weights({8}, 0.2f), 8, hard_swish, 1, 1, format::no_tensor);
  conv(b, c, weights({8, 8, 1, 1}, 0.5f), weights({8}, 0.2f), 1, relu, 1, 0, a);
  const std::uint32_t d = value({1, 8, 8, 8}), e = value({1, 4, 8, 8}), f = value({1, 8, 8, 8});
  const std::uint32_t g = value({1, 12, 8, 8}), h = value({1, 6, 8, 8}), i = value({1, 6, 8, 8});
  w.op(op_kind::nd_pool, "pool", {c}, {d}, {0, 2, 2, 0, 0, 0, 2, 2, 1, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0});
  conv(d, e, weights({4, 8, 1, 1}, 0.5f), weights({4}, 0.2f), 1, relu, 1, 0, format::no_tensor);
  conv(d, f, weights({8, 4, 3, 3}, 0.3f), weights({8}, 0.2f), 2, relu, 1, 1, format::no_tensor);
  w.op(op_kind::nd_concat, "concat", {e, f}, {g}, {1});
  w.op(op_kind::nd_copy, "odd", {g}, {h}, {64, 768, 128, 8, 1, 0, 0});  // channels 1, 3, 5, ...
  conv(h, i, weights({6, 6, 1, 1}, 0.5f), weights({6}, 0.2f), 1, relu, 1, 0, format::no_tensor);
  const std::uint32_t j = value({1, 6, 4, 4}), k = value({1, 96});
  w.op(op_kind::nd_pool, "mean", {i}, {j}, {1, 2, 2, 0, 0, 0, 2, 2, 1, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0});
  w.op(op_kind::nd_copy, "flatten", {j}, {k}, {0, 96, 1, 0, 0, 0, 0});
  const std::int32_t one = std::bit_cast<std::int32_t>(1.0f);
  w.op(op_kind::nd_matmul, "product", {k, weights({96, 5}, 0.3f), weights({5}, 0.2f)}, {scores},
       {0, 0, one, one, 0, 0, 0});
  auto file = w.finish();
  REQUIRE_MESSAGE(file.has_value(), file.error().text);
  return std::move(*file);
}

std::vector<float> floats_of(std::span<const std::byte> bytes) {
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

/// Slopes with a little noise, so that neighbours resemble each other; another picture for every index.
convert::sample_set pictures(std::size_t count, std::uint64_t seed) {
  return {count, [seed](std::size_t i, std::span<const std::span<std::byte>> in) -> result<void> {
            const std::vector<float> slope = random_values(9, -1.0f, 1.0f, seed + i);  // three per channel
            std::vector<float> v = random_values(768, -0.1f, 0.1f, seed + i + 1000);
            for (std::size_t k = 0; k < v.size(); ++k) {
              const std::size_t c = k / 256, y = k / 16 % 16, x = k % 16;
              v[k] += 0.5f * slope[3 * c] + slope[3 * c + 1] * (static_cast<float>(x) / 16.0f - 0.5f) +
                      slope[3 * c + 2] * (static_cast<float>(y) / 16.0f - 0.5f);
            }
            std::memcpy(in[0].data(), v.data(), in[0].size());
            return {};
          }};
}

quantize_options options_of(std::int32_t bits) {
  quantize_options o;
  o.bits = bits;
  o.group = 32;
  o.method = convert::range_method::output;
  o.run.general = &dsmm::ops::nd::find_definition;
  return o;
}

std::vector<float> scores_of(const file_bytes& file, std::uint32_t threads, std::uint64_t seed) {
  thread_pool pool(threads);
  session_options options;
  options.exec = pool.handle();
  options.general = &dsmm::ops::nd::find_definition;
  const auto m = model::open(file.bytes());
  REQUIRE(m.has_value());
  auto arena = file_bytes::allocate(*session::required(*m, options));
  auto s = session::prepare(*m, arena->bytes(), options);
  REQUIRE_MESSAGE(s.has_value(), s.error().text);
  const auto in = s->plain(*s->find("image"));
  REQUIRE(pictures(1, seed).load(0, std::span(&in, 1)).has_value());
  s->run();
  return floats_of(s->plain(*s->find("scores")));
}

std::size_t count_of_kind(const model& m, op_kind kind) {
  return static_cast<std::size_t>(std::count_if(m.ops().begin(), m.ops().end(), [&](const format::op_row& op) {
    return op.kind == static_cast<std::uint32_t>(kind);
  }));
}

}  // namespace

TEST_CASE("quantize: every op between two layers runs on integers") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  convert::quantize_report report;
  const auto made = convert::quantize_model(m, pictures(32, 100), options_of(8), &report);
  REQUIRE_MESSAGE(made.has_value(), made.error().text);
  const model q = *model::open(made->bytes());
  CHECK(count_of_kind(q, op_kind::dwconv2d) == 1);
  CHECK(count_of_kind(q, op_kind::conv2d) == 7);  // six, the last product over the whole image, and one picks channels
  CHECK(count_of_kind(q, op_kind::lut) == 1);
  CHECK(count_of_kind(q, op_kind::add) == 1);
  CHECK(count_of_kind(q, op_kind::max_pool) == 1);
  CHECK(count_of_kind(q, op_kind::avg_pool) == 1);
  CHECK(count_of_kind(q, op_kind::concat) == 1);
  CHECK(count_of_kind(q, op_kind::quantize_planes) == 1);
  CHECK(report.general_ops == 1);  // shape of the output
  CHECK(report.loss < 0.5);
  CHECK(report.layers.size() == 7);
}

TEST_CASE("quantize: outputs stay within the error of the weights' bits") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  const convert::sample_set others = pictures(16, 900);
  for (const std::int32_t bits : {8, 4}) {
    quantize_options o = options_of(bits);
    o.max_loss = 100;
    convert::quantize_report report;
    REQUIRE(convert::quantize_model(m, pictures(32, 100), o, &report, &others).has_value());
    REQUIRE(report.evaluation.size() == 1);
    CHECK(report.evaluation[0].samples == 16);
    CHECK(report.evaluation[0].sqnr_db() > (bits == 8 ? 22.0 : 12.0));
  }
}

TEST_CASE("quantize: second-order rounding gains on plain rounding, over several networks") {
  const convert::sample_set others = pictures(32, 900);
  double db[2] = {};
  for (const std::uint64_t seed : {7u, 107u, 207u, 307u, 407u, 507u}) {
    const file_bytes net = small_net(seed);
    const model m = *model::open(net.bytes());
    for (const bool second_order : {false, true}) {
      quantize_options o = options_of(4);
      o.max_loss = 100;
      o.second_order = second_order;
      convert::quantize_report report;
      REQUIRE(convert::quantize_model(m, pictures(48, 100), o, &report, &others).has_value());
      db[second_order ? 1 : 0] += report.evaluation[0].sqnr_db() / 6;
    }
  }
  // 2 and 3 dB with two compilers, which draw the weights in another order; single networks lose up to 1.
  CHECK(db[1] > db[0] + 1.0);
}

TEST_CASE("quantize: layers go to 8 bits until the loss holds") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  quantize_options o = options_of(4);
  o.max_loss = 1e-9;
  convert::quantize_report report;
  REQUIRE(convert::quantize_model(m, pictures(8, 100), o, &report).has_value());
  CHECK(std::all_of(report.layers.begin(), report.layers.end(), [](const auto& l) { return l.bits == 8; }));
  CHECK(std::any_of(report.layers.begin(), report.layers.end(), [](const auto& l) { return l.fell_back; }));
}

TEST_CASE("quantize: layers go to f32 until the loss holds, wherever they lie") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  std::ptrdiff_t before = 0;
  for (const double bound : {0.1, 0.03, 0.01, 1e-9}) {
    quantize_options o = options_of(8);
    o.max_loss = bound;
    o.f32_for_loss = true;
    convert::quantize_report report;
    const auto made = convert::quantize_model(m, pictures(16, 100), o, &report);
    REQUIRE_MESSAGE(made.has_value(), made.error().text);
    CHECK(report.loss <= bound);
    const auto n = std::ranges::count(report.layers, 32, &convert::layer_report::bits);
    CHECK(n >= before);
    before = n;
    CHECK(scores_of(*made, 1, 5).size() == 5);
  }
  CHECK(before == 7);
}

TEST_CASE("quantize: groups of 32 weights, of 64 where pixels are few; small layers stay at 8 bits") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  quantize_options o = options_of(4);
  o.group = convert::auto_group;
  o.max_loss = 100;
  o.ends_at_8 = false;
  convert::quantize_report all, most;
  o.widen = 0;
  REQUIRE(convert::quantize_model(m, pictures(4, 100), o, &all).has_value());
  o.widen = 0.2;
  REQUIRE(convert::quantize_model(m, pictures(4, 100), o, &most).has_value());
  const auto has = [&](std::int32_t group) {
    return std::any_of(all.layers.begin(), all.layers.end(), [&](const auto& l) { return l.group == group; });
  };
  CHECK((has(32) && has(64)));
  CHECK(std::none_of(all.layers.begin(), all.layers.end(), [](const auto& l) { return l.is_small; }));
  for (const auto& l : most.layers) CHECK((!l.is_small || (l.bits == 8 && l.parameters < 100)));
  CHECK(std::any_of(most.layers.begin(), most.layers.end(), [](const auto& l) { return l.is_small; }));
}

TEST_CASE("quantize: evening out channels by any strength keeps the network's answers") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  for (const double strength : {0.0, 0.25, 0.75, 1.0}) {
    quantize_options o = options_of(8);
    o.equalize = strength;
    convert::quantize_report report;
    REQUIRE(convert::quantize_model(m, pictures(32, 100), o, &report).has_value());
    CHECK(report.loss < 0.5);
  }
}

TEST_CASE("quantize: refuses to guess ranges") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  const auto made = convert::quantize_model(m, pictures(0, 0), options_of(4));
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().code == errc::invalid_argument);
}

TEST_CASE("quantize: the same bytes twice, the same bits at any number of threads") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  const auto first = convert::quantize_model(m, pictures(8, 100), options_of(4));
  thread_pool pool(2);
  quantize_options o = options_of(4);
  o.run.exec = pool.handle();
  const auto second = convert::quantize_model(m, pictures(8, 100), o);
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(std::ranges::equal(first->bytes(), second->bytes()));
  const auto one = scores_of(*first, 1, 5), two = scores_of(*first, 2, 5);
  CHECK(std::memcmp(one.data(), two.data(), one.size() * sizeof(float)) == 0);
}

TEST_CASE("quantize: u8 pixels give what f32 inputs give") {
  const file_bytes net = small_net();
  const model m = *model::open(net.bytes());
  quantize_options o = options_of(8);
  const auto real = convert::quantize_model(m, pictures(8, 100), o);
  o.input = {true, 1.0f / 127.5f, {1.0f}, {1.0f}};
  const auto pixels = convert::quantize_model(m, pictures(8, 100), o);
  REQUIRE(real.has_value());
  REQUIRE_MESSAGE(pixels.has_value(), pixels.error().text);
  const model q = *model::open(pixels->bytes());
  const format::tensor_row& in = q.tensors()[*q.find_tensor("image")];
  CHECK(ops::type_of(in) == dtype::u8);
  CHECK(ops::shape_of(in) == extents{16, 16, 3});
}

TEST_CASE("quantize: u8 pixels that f32 layers read are normalised as f32 inputs are") {
  const file_bytes net = small_net();
  quantize_options o = options_of(8);
  o.max_loss = 1e-9;
  o.f32_for_loss = true;
  o.input = {true, 1.0f / 127.5f, {1.0f, 0.5f, 0.25f}, {1.0f, 2.0f, 4.0f}};
  const auto made = convert::quantize_model(*model::open(net.bytes()), pictures(8, 100), o);
  REQUIRE_MESSAGE(made.has_value(), made.error().text);
  const auto scores = [&](const file_bytes& file, auto&& write) {
    const auto m = model::open(file.bytes());
    auto arena = file_bytes::allocate(*session::required(*m, o.run));
    auto s = session::prepare(*m, arena->bytes(), o.run);
    REQUIRE_MESSAGE(s.has_value(), s.error().text);
    write(*s, *s->find("image"));
    s->run();
    return floats_of(s->plain(*s->find("scores")));
  };
  const auto pixel = [](std::int32_t y, std::int32_t x, std::int32_t c) {
    return static_cast<std::uint8_t>((y * 37 + x * 11 + c * 83) % 256);
  };
  const auto got = scores(*made, [&](session& s, std::uint32_t image) {
    const auto view = s.u8(image);
    for (std::int32_t y = 0; y < 16; ++y)
      for (std::int32_t x = 0; x < 16; ++x)
        for (std::int32_t c = 0; c < 3; ++c) view.at(y, x)[c] = pixel(y, x, c);
  });
  const auto real = scores(net, [&](session& s, std::uint32_t image) {
    std::vector<float> v;
    for (std::int32_t c = 0; c < 3; ++c)
      for (std::int32_t y = 0; y < 16; ++y)
        for (std::int32_t x = 0; x < 16; ++x) {
          const auto k = static_cast<std::size_t>(c);
          v.push_back((static_cast<float>(pixel(y, x, c)) * o.input.factor - o.input.mean[k]) / o.input.deviation[k]);
        }
    std::memcpy(s.plain(image).data(), v.data(), v.size() * sizeof(float));
  });
  for (std::size_t i = 0; i < real.size(); ++i) CHECK(got[i] == doctest::Approx(real[i]).epsilon(1e-4));
}
