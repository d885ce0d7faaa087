// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/fused.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "dsmm/core/rng.hpp"

using dsmm::rng;
namespace fused = dsmm::kernels::fused;

namespace {

float of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (a != a && b != b);
}

/// The emulation against the C library's.
void check(float a, float b, float c) {
  const float got = fused::emulated::fma(a, b, c), right = std::fma(a, b, c);
  INFO("a ", a, " b ", b, " c ", c, " got ", got, " right ", right);
  REQUIRE(same(got, right));
}

}  // namespace

TEST_CASE("multiply-adds without the instruction: any bits") {
  rng random(7);
  for (int i = 0; i < 2'000'000; ++i)
    check(of(static_cast<std::uint32_t>(random.u64())), of(static_cast<std::uint32_t>(random.u64())),
          of(static_cast<std::uint32_t>(random.u64())));
}

TEST_CASE("multiply-adds without the instruction: sums that cancel, and ones far apart") {
  rng random(8);
  for (int i = 0; i < 1'000'000; ++i) {
    const float a = random.uniform(-2.0f, 2.0f), b = random.uniform(-2.0f, 2.0f);
    check(a, b, -a * b);
    check(a, b, std::ldexp(random.uniform(-2.0f, 2.0f), static_cast<int>(random.below(60)) - 30));
  }
}

TEST_CASE("multiply-adds without the instruction: halfway between two results, and just beside") {
  rng random(9);
  for (int i = 0; i < 300'000; ++i) {
    // c has 24 bits, the product is half of its last one, give or take what 53 bits cannot hold.
    const float c = of(0x3F80'0000u | (static_cast<std::uint32_t>(random.u64()) & 0x7F'FFFFu));
    const auto far = static_cast<std::uint32_t>(random.below(24));
    const float a = 1.0f + std::ldexp(1.0f, -static_cast<int>(far)), b = std::ldexp(1.0f, -24);
    for (const float x : {1.0f, -1.0f, a, -a})
      for (const float y : {b, b * (1.0f - 0x1p-23f), b * (1.0f + 0x1p-23f)})
        check(x, y, random.below(2) != 0 ? c : -c);
  }
}

TEST_CASE("multiply-adds without the instruction: subnormal results") {
  rng random(10);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto exponent = -static_cast<int>(random.below(50)) - 90;
    const float a = std::ldexp(random.uniform(-2.0f, 2.0f), exponent / 2);
    const float b = std::ldexp(random.uniform(-2.0f, 2.0f), exponent - exponent / 2);
    check(a, b, of(static_cast<std::uint32_t>(random.u64()) & 0x80FF'FFFFu));
    check(a, b, 0.0f);
  }
}

TEST_CASE("multiply-adds without the instruction: zeros, infinities and NaN") {
  const float infinity = std::numeric_limits<float>::infinity(), most = std::numeric_limits<float>::max();
  const float values[] = {
      0.0f, -0.0f, 1.0f,      -1.0f,      infinity,  -infinity,       std::numeric_limits<float>::quiet_NaN(),
      most, -most, 0x1p-149f, -0x1p-149f, 0x1p-126f, 0x1.fffffep-127f};
  for (const float a : values)
    for (const float b : values)
      for (const float c : values) check(a, b, c);
}
