// SPDX-License-Identifier: Apache-2.0
// General f32 operators on one core: convolutions of ResNet-18 and MobileNet, matrix products of a transformer, and
// elementwise functions, for every instruction set that this machine has.
#include <bit>
#include <cstdio>
#include <utility>
#include <vector>

#include "bench/ceiling.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/matmul.hpp"
#include "dsmm/kernels/nd/norm.hpp"
#include "dsmm/kernels/nd/pool.hpp"
#include "dsmm/kernels/nd/softmax.hpp"
#include "dsmm/kernels/nd/unary.hpp"

namespace {

using namespace dsmm;
using kernels::nd::call;
using kernels::nd::view;

/// A tensor of random values.
struct tensor {
  std::vector<float> values;
  view shape;

  explicit tensor(std::initializer_list<std::int64_t> dims) {
    for (const std::int64_t d : dims) shape.dims[shape.rank++] = d;
    values.resize(static_cast<std::size_t>(shape.count()));
    rng random(1);
    for (float& v : values) v = random.uniform(-1.0f, 1.0f);
    shape.data = reinterpret_cast<std::byte*>(values.data());
  }
};

struct job {
  call c;
  std::vector<std::int32_t> attributes;
  std::vector<float> scratch, packed;

  job(isa level, std::vector<view> in, view out, std::vector<std::int32_t> values) : attributes(std::move(values)) {
    c.level = level;
    for (const view& v : in) c.in[c.inputs++] = v;
    c.out[c.outputs++] = out;
    c.attributes = attributes.data();
  }
  void memory(std::size_t scratch_bytes) {
    scratch.resize(scratch_bytes / 4 + 16);
    c.scratch = reinterpret_cast<std::byte*>(scratch.data());
  }
  void pack(std::size_t bytes, void (*f)(const call&, std::byte*) noexcept) {
    if (bytes == 0) return;
    packed.resize(bytes / 4);
    f(c, reinterpret_cast<std::byte*>(packed.data()));
    c.packed = reinterpret_cast<const std::byte*>(packed.data());
  }
};

void convolution(isa level, const char* name, std::int32_t in, std::int32_t out, std::int32_t size, std::int32_t kernel,
                 std::int32_t stride, std::int32_t group) {
  const std::int32_t pad = kernel / 2, to = (size + 2 * pad - kernel) / stride + 1;
  const tensor x({1, in, size, size}), w({out, in / group, kernel, kernel}), bias({out});
  tensor y({1, out, to, to});
  job j(level, {x.shape, w.shape, bias.shape}, y.shape,
        {group, 2, 1, 0, 0, stride, stride, 1, 1, 1, 1, pad, pad, 0, pad, pad, 0});
  j.memory(kernels::nd::nd_conv_scratch(j.c));
  j.pack(kernels::nd::nd_conv_packed_bytes(j.c), kernels::nd::nd_conv_pack);
  const double time = best_time([&] { kernels::nd::nd_conv(j.c); });
  const double operations = 2.0 * to * to * out * (in / group) * kernel * kernel;
  std::printf("%-15s %-28s %8.3f ms %8.1f GFLOP/s\n", to_string(level), name, 1e3 * time, 1e-9 * operations / time);
}

void product(isa level, const char* name, std::int32_t batch, std::int32_t m, std::int32_t n, std::int32_t k,
             bool constant) {
  const tensor a({batch, m, k}), b({constant ? 1 : batch, k, n});
  tensor y({batch, m, n});
  const auto one = std::bit_cast<std::int32_t>(1.0f);
  job j(level, {a.shape, b.shape}, y.shape, {0, 0, one, one, 0, 0, 0});
  j.memory(kernels::nd::nd_matmul_scratch(j.c));
  if (constant) j.pack(kernels::nd::nd_matmul_packed_bytes(j.c), kernels::nd::nd_matmul_pack);
  const double time = best_time([&] { kernels::nd::nd_matmul(j.c); });
  std::printf("%-15s %-28s %8.3f ms %8.1f GFLOP/s\n", to_string(level), name, 1e3 * time,
              2e-9 * batch * m * n * k / time);
}

void elements(const char* name, void (*kernel)(const call&) noexcept, int inputs,
              std::vector<std::int32_t> attributes) {
  const tensor x({1, 64, 56, 56});
  tensor y({1, 64, 56, 56});
  job j(best_isa(), std::vector<view>(static_cast<std::size_t>(inputs), x.shape), y.shape, std::move(attributes));
  const double time = best_time([&] { kernel(j.c); });
  std::printf("%-15s %-28s %8.3f ms %8.2f ns/element\n", "", name, 1e3 * time, 1e9 * time / (64 * 56 * 56));
}

}  // namespace

int main() {
  std::printf("fused multiply-adds of AVX-512 alone: %.1f GFLOP/s\n", 1e-9 * ceiling::fused_operations());
  for (const auto& [level, name, below, here] : isa_rows) {
    if (!here() || (level == isa::generic && isa_rows.size() > 1)) continue;
    convolution(level, "7x7 s2 3->64 224", 3, 64, 224, 7, 2, 1);
    convolution(level, "3x3 64->64 56", 64, 64, 56, 3, 1, 1);
    convolution(level, "3x3 s2 64->128 56", 64, 128, 56, 3, 2, 1);
    convolution(level, "3x3 128->128 28", 128, 128, 28, 3, 1, 1);
    convolution(level, "3x3 256->256 14", 256, 256, 14, 3, 1, 1);
    convolution(level, "3x3 512->512 7", 512, 512, 7, 3, 1, 1);
    convolution(level, "1x1 256->64 56", 256, 64, 56, 1, 1, 1);
    convolution(level, "3x3 s2 3->32 224", 3, 32, 224, 3, 2, 1);
    convolution(level, "1x1 16->96 112", 16, 96, 112, 1, 1, 1);
    convolution(level, "1x1 144->24 56", 144, 24, 56, 1, 1, 1);
    convolution(level, "1x1 64->384 14", 64, 384, 14, 1, 1, 1);
    convolution(level, "1x1 576->96 14", 576, 96, 14, 1, 1, 1);
    convolution(level, "1x1 960->320 7", 960, 320, 7, 1, 1, 1);
    convolution(level, "depthwise 3x3 96 56", 96, 96, 56, 3, 1, 96);
    convolution(level, "depthwise 3x3 s2 96 112", 96, 96, 112, 3, 2, 96);
    convolution(level, "depthwise 3x3 960 7", 960, 960, 7, 3, 1, 960);
    convolution(level, "depthwise 7x7 96 56", 96, 96, 56, 7, 1, 96);
    product(level, "197x768 * 768x768 packed", 1, 197, 768, 768, true);
    product(level, "1x512 * 512x1000 packed", 1, 1, 1000, 512, true);
    product(level, "12 x 197x64 * 64x197", 12, 197, 197, 64, false);
  }
  using kernels::nd::unary_fn;
  const auto one = std::bit_cast<std::int32_t>(1.0f);
  for (const auto& [name, f] : {std::pair{"relu", unary_fn::relu}, std::pair{"sigmoid", unary_fn::sigmoid},
                                std::pair{"gelu", unary_fn::gelu}, std::pair{"tanh", unary_fn::tanh}})
    elements(name, kernels::nd::nd_unary, 1, {static_cast<std::int32_t>(f), one, one});
  elements("add", kernels::nd::nd_binary, 2, {0});
  elements("softmax, last axis", kernels::nd::nd_softmax, 1, {0, 3});
  elements("softmax, channels", kernels::nd::nd_softmax, 1, {0, 1});
  elements("layer norm, last axis", kernels::nd::nd_layer_norm, 1, {3, std::bit_cast<std::int32_t>(1e-5f), 0});
  elements("max pool 3x3", kernels::nd::nd_pool, 1, {0, 2, 1, 0, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0});
}
