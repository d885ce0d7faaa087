// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/reduce_f32.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "tests/kernels/fenced_bytes.hpp"

namespace {

std::uint32_t bits(float v) { return std::bit_cast<std::uint32_t>(v); }

}  // namespace

TEST_CASE("reduce f32: every variant has the bits of the generic one, beside a page that must not be touched") {
  dsmm::rng random(31);
  const auto plain = dsmm::kernels::nd::reduce_f32_for(dsmm::isa::generic);
  for (std::size_t n = 0; n < 300; ++n) {
    std::vector<float> values(n);
    for (float& v : values) v = random.uniform(-3.0f, 3.0f);
    if (n % 50 == 7) values[n / 2] = -dsmm::kernels::quiet_nan;
    if (n % 40 == 1) std::fill(values.begin(), values.end(), -0.0f);
    fenced_bytes x(values, n % 2 == 0 ? fence::behind : fence::before);
    for (const auto& set : dsmm::isa_rows) {
      if (!set.here()) continue;
      const auto k = dsmm::kernels::nd::reduce_f32_for(set.id);
      CHECK(bits(k.sum(x.as<float>(), n)) == bits(plain.sum(x.as<float>(), n)));
      CHECK(bits(k.largest(x.as<float>(), n)) == bits(plain.largest(x.as<float>(), n)));
      CHECK(bits(k.squares(x.as<float>(), n, 0.3f)) == bits(plain.squares(x.as<float>(), n, 0.3f)));
    }
  }
}
