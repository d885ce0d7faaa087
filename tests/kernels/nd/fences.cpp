// SPDX-License-Identifier: Apache-2.0
// Every buffer of the f32 kernels beside a page that must not be touched: a kernel that reads or writes a byte too many
// ends the program. Each instruction set must give the bits of the generic one.
#include <doctest/doctest.h>

#include <vector>

#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/matmul.hpp"
#include "dsmm/kernels/nd/pool.hpp"
#include "tests/kernels/fenced_bytes.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::bits;
using nd_case::tensor;

/// What a kernel asks for and what it does.
struct kernel {
  void (*run)(const nd::call&) noexcept;
  std::size_t (*scratch)(const nd::call&) noexcept = nullptr;
  std::size_t (*packed_bytes)(const nd::call&) noexcept = nullptr;
  void (*pack)(const nd::call&, std::byte*) noexcept = nullptr;
};

/// The output of a call whose buffers all lie beside such a page, weights packed before or during the call.
std::vector<std::uint32_t> run(const kernel& k, const std::vector<tensor<float>>& in, nd::view out,
                               const std::vector<std::int32_t>& attributes, dsmm::isa level, fence side, bool packed) {
  std::vector<fenced_bytes> memory;
  nd::call c;
  c.level = level;
  c.attributes = attributes.data();
  for (const auto& x : in) {
    nd::view v = x.view();
    v.data = memory.emplace_back(x.values(), side).data();
    c.in[c.inputs++] = v;
  }
  out.data = memory.emplace_back(out.bytes(), side).data();
  c.out[c.outputs++] = out;
  if (packed && k.pack != nullptr && k.packed_bytes(c) != 0) {
    std::byte* const to = memory.emplace_back(k.packed_bytes(c), side).data();
    k.pack(c, to);
    c.packed = to;
  }
  if (k.scratch != nullptr) c.scratch = memory.emplace_back(k.scratch(c), side).data();
  k.run(c);
  const auto* const y = reinterpret_cast<const std::uint32_t*>(out.data);
  return {y, y + out.count()};
}

void check(const kernel& k, const std::vector<tensor<float>>& in, const nd::view& out,
           const std::vector<std::int32_t>& attributes) {
  const auto expected = run(k, in, out, attributes, dsmm::isa::generic, fence::behind, false);
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    CAPTURE(set.name);
    for (const fence side : {fence::behind, fence::before})
      for (const bool packed : {false, true}) CHECK(run(k, in, out, attributes, set.id, side, packed) == expected);
  }
}

std::int32_t below(dsmm::rng& random, int n) {
  return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(n)));
}

}  // namespace

TEST_CASE("no f32 convolution touches a byte beside its buffers") {
  dsmm::rng random(21);
  const kernel conv{nd::nd_conv, nd::nd_conv_scratch, nd::nd_conv_packed_bytes, nd::nd_conv_pack};
  const std::int32_t acts[] = {0, 1, 7, 10, 18};  // identity, ReLU, clip, hard swish, SiLU
  for (int i = 0; i < 160; ++i) {
    const bool depthwise = i % 3 == 0;
    const std::int32_t channels = 1 + below(random, i % 4 == 0 ? 70 : 12), out = depthwise ? channels : 1 + i % 71;
    const std::int32_t kernel = i % 5 == 0 ? 1 : 1 + below(random, 7), stride = 1 + below(random, i % 8 == 0 ? 3 : 2);
    const std::int32_t before = below(random, kernel), after = below(random, kernel), dilation = i % 7 == 0 ? 2 : 1;
    const std::int32_t reach = (kernel - 1) * dilation + 1, side = reach + below(random, 40);
    const std::int32_t h = 1 + side / 4 < reach ? reach : 1 + side / 4;
    const std::int64_t rows = (h + before + after - reach) / stride + 1;
    const std::int64_t width = (side + before + after - reach) / stride + 1;
    const std::int32_t act = acts[i % 5];
    CAPTURE(kernel);
    CAPTURE(stride);
    CAPTURE(out);
    CAPTURE(width);
    std::vector<tensor<float>> in;
    in.push_back(tensor<float>::random({1, channels, h, side}, 1, -2, 2));
    in.push_back(tensor<float>::random({out, depthwise ? 1 : channels, kernel, kernel}, 2));
    if (i % 2 == 0) in.push_back(tensor<float>::random({out}, 3));
    if (i % 4 == 0) in.push_back(tensor<float>::random({1, out, rows, width}, 4));
    const tensor<float> y({1, out, rows, width});
    check(conv, in, y.view(),
          {depthwise ? channels : 1, 2, act, bits(act == 18 ? 1.0f : 0.0f), bits(1.5f), stride, stride, 1, dilation,
           dilation, 1, before, before, 0, after, after, 0});
  }
}

TEST_CASE("no f32 product touches a byte beside its buffers") {
  dsmm::rng random(22);
  const kernel product{nd::nd_matmul, nd::nd_matmul_scratch, nd::nd_matmul_packed_bytes, nd::nd_matmul_pack};
  for (int i = 0; i < 60; ++i) {
    const std::int64_t batch = 1 + below(random, 4), m = i % 3 == 0 ? 1 : 1 + below(random, 40);
    const std::int64_t n = 1 + below(random, 90), k = 1 + below(random, i % 5 == 0 ? 300 : 30);
    const bool ta = i % 4 == 1, tb = i % 2 == 1, many = i % 7 == 0;
    std::vector<tensor<float>> in;
    in.push_back(tensor<float>::random({batch, ta ? k : m, ta ? m : k}, 1));
    in.push_back(tensor<float>::random({many ? batch : 1, tb ? n : k, tb ? k : n}, 2));
    if (i % 3 == 1) in.push_back(tensor<float>::random({n}, 3));
    if (i % 3 == 2) in.push_back(tensor<float>::random({batch, m, n}, 3));
    const tensor<float> y({batch, m, n});
    check(product, in, y.view(), {ta, tb, bits(1.0f), bits(1.0f), i % 2 == 0 ? 0 : 15, 0, 0});
  }
}

TEST_CASE("no f32 maximum touches a byte beside its buffers; NaN, infinities and zeros of both signs") {
  dsmm::rng random(23);
  constexpr float specials[] = {-0.0f, 0.0f, dsmm::kernels::quiet_nan, -dsmm::kernels::math_impl::infinity,
                                dsmm::kernels::math_impl::infinity};
  for (int i = 0; i < 80; ++i) {
    const std::int32_t kernel = 1 + below(random, 5), stride = 1 + below(random, 3), pad = below(random, kernel);
    const std::int32_t dilation = i % 9 == 0 ? 2 : 1, reach = (kernel - 1) * dilation + 1;
    const std::int32_t h = reach + below(random, 9), w = reach + below(random, 70);
    auto x = tensor<float>::random({1, 3, h, w}, 5);
    for (float& v : x.values())
      if (random.below(3) == 0) v = specials[random.below(5)];
    std::vector<tensor<float>> in;
    in.push_back(std::move(x));
    const tensor<float> y({1, 3, (h + 2 * pad - reach) / stride + 1, (w + 2 * pad - reach) / stride + 1});
    check({nd::nd_pool}, in, y.view(),
          {0, 2, 1, 0, 0, 0, kernel, kernel, 1, stride, stride, 1, dilation, dilation, 1, pad, pad, 0, pad, pad, 0});
  }
}
