// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/math.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

/// |got - exact| in units in the last place of the exact value; huge if one is NaN and the other is not.
double ulp_error(float got, double exact) {
  if (exact != exact) return std::bit_cast<std::uint32_t>(got) == 0x7FC0'0000u ? 0.0 : 1e9;
  if (std::isinf(got)) return std::fabs(exact) >= 0x1.ffffffp127 && (got > 0) == (exact > 0) ? 0.0 : 1e9;
  if (std::isinf(exact)) return 1e9;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(got - exact) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

/// Every 4099th f32 of all 2^32, and every one near 1 where logarithms cancel: the largest error.
template <class F, class Exact>
double worst(F f, Exact exact) {
  double error = 0.0;
  for (std::uint64_t bits = 0; bits < 1ull << 32; bits += 4099) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    error = std::max(error, ulp_error(f(x), exact(static_cast<double>(x))));
  }
  for (std::uint32_t bits = 0x3F7F'0000; bits < 0x3F81'0000; ++bits) {
    const float x = std::bit_cast<float>(bits);
    error = std::max(error, ulp_error(f(x), exact(static_cast<double>(x))));
  }
  return error;
}

template <class F>
void check_golden(const char* name, F f) {
  std::vector<float> y;
  for (std::uint64_t bits = 0; bits < 1ull << 32; bits += 65'521)
    y.push_back(f(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
  golden::check(name, golden::hash(y));
}

}  // namespace

TEST_CASE("errors stay below the documented ones over all floats") {
  CHECK(worst([](float x) { return k::exp2(x); }, [](double x) { return std::exp2(x); }) < 0.96);
  CHECK(worst([](float x) { return k::exp(x); }, [](double x) { return std::exp(x); }) < 1.03);
  CHECK(worst([](float x) { return k::log2(x); }, [](double x) { return x < 0 ? NAN : std::log2(x); }) < 1.26);
  CHECK(worst([](float x) { return k::log(x); }, [](double x) { return x < 0 ? NAN : std::log(x); }) < 0.82);
  CHECK(worst([](float x) { return k::tanh(x); }, [](double x) { return std::tanh(x); }) < 1.34);
  CHECK(worst([](float x) { return k::sigmoid(x); },
              [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }) < 2.41);
}

TEST_CASE("edges: zeros, infinities, subnormals and every NaN") {
  CHECK(k::exp2(0.0f) == 1.0f);
  CHECK(k::exp2(-0.0f) == 1.0f);
  CHECK(k::exp2(inf) == inf);
  CHECK(k::exp2(-inf) == 0.0f);
  CHECK(k::exp2(127.0f) == 0x1p127f);
  CHECK(k::exp2(128.0f) == inf);
  CHECK(k::exp2(-149.0f) == 0x1p-149f);
  CHECK(k::exp2(-150.0f) == 0.0f);
  CHECK(k::exp(inf) == inf);
  CHECK(k::exp(-inf) == 0.0f);
  CHECK(k::log2(1.0f) == 0.0f);
  CHECK(k::log2(0.0f) == -inf);
  CHECK(k::log2(-0.0f) == -inf);
  CHECK(k::log2(inf) == inf);
  CHECK(k::log(inf) == inf);
  CHECK(k::log(1.0f) == 0.0f);
  for (int e = -149; e < 128; ++e) CHECK(k::log2(std::ldexp(1.0f, e)) == static_cast<float>(e));
  CHECK(std::signbit(k::tanh(-0.0f)));
  CHECK(k::tanh(inf) == 1.0f);
  CHECK(k::tanh(-inf) == -1.0f);
  CHECK(k::sigmoid(inf) == 1.0f);
  CHECK(k::sigmoid(-inf) == 0.0f);
  for (const std::uint32_t bits : {0x7FC0'0000u, 0xFFC0'0000u, 0x7F80'0001u, 0xFFFF'FFFFu, 0x7FC0'1234u})
    for (float (*f)(float) :
         {+[](float x) { return k::exp2(x); }, +[](float x) { return k::exp(x); }, +[](float x) { return k::log2(x); },
          +[](float x) { return k::log(x); }, +[](float x) { return k::tanh(x); },
          +[](float x) { return k::sigmoid(x); }, +[](float x) { return k::canonical(x); }})
      CHECK(std::bit_cast<std::uint32_t>(f(std::bit_cast<float>(bits))) == 0x7FC0'0000u);
  CHECK(std::bit_cast<std::uint32_t>(k::log(-1.0f)) == 0x7FC0'0000u);
}

TEST_CASE("the same bits on every machine and compiler") {
  check_golden("math.exp2", [](float x) { return k::exp2(x); });
  check_golden("math.exp", [](float x) { return k::exp(x); });
  check_golden("math.log2", [](float x) { return k::log2(x); });
  check_golden("math.log", [](float x) { return k::log(x); });
  check_golden("math.tanh", [](float x) { return k::tanh(x); });
  check_golden("math.sigmoid", [](float x) { return k::sigmoid(x); });
}
