// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/unary_f32.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <vector>

namespace {

namespace nd = dsmm::kernels::nd;
using nd::unary_fn;

/// Every 8191st bit pattern: all exponents, both signs, infinities, NaN.
std::vector<float> patterns() {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits <= 0xFFFF'FFFFu; bits += 8191)
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  for (int i = -5000; i < 5000; ++i) x.push_back(static_cast<float>(i) * 0.0021f);
  return x;
}

template <unary_fn f>
void check(const char* name, float a) {
  CAPTURE(name);
  const std::vector<float> x = patterns();
  std::vector<float> expected(x.size()), y(x.size());
  nd::unary_impl::map_for<f>(dsmm::isa::generic)(a, 0.0f, x.data(), expected.data(), x.size());
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    nd::unary_impl::map_for<f>(set.id)(a, 0.0f, x.data(), y.data(), x.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      wrong += std::bit_cast<std::uint32_t>(y[i]) != std::bit_cast<std::uint32_t>(expected[i]);
    CHECK_MESSAGE(wrong == 0, set.name);
  }
}

}  // namespace

TEST_CASE("unary f32: every variant has the bits of the generic one, special values included") {
  check<unary_fn::exp>("exp", 0.0f);
  check<unary_fn::sigmoid>("sigmoid", 0.0f);
  check<unary_fn::silu>("silu", 1.0f);
  check<unary_fn::silu>("silu, 1.702", 1.702f);
  check<unary_fn::tanh>("tanh", 0.0f);
  check<unary_fn::erf>("erf", 0.0f);
  check<unary_fn::gelu>("gelu", 0.0f);
  check<unary_fn::gelu_tanh>("gelu_tanh", 0.0f);
}
