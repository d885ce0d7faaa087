// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/mul_u8.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

void fill(golden::guarded<std::uint8_t>& x, dsmm::extents shape, std::uint64_t seed) {
  const auto values = golden::random_u8(static_cast<std::size_t>(shape.count()), seed);
  std::size_t i = 0;
  for (std::int32_t row = 0; row < shape.h; ++row)
    for (std::int32_t col = 0; col < shape.w; ++col)
      for (std::int32_t c = 0; c < shape.c; ++c) x.view.at(row, col)[c] = values[i++];
}

}  // namespace

TEST_CASE("products of bytes are scaled in 32 bits as in 64, for every shift") {
  dsmm::rng random(3);
  for (std::int32_t shift = 31; shift <= 62; ++shift)
    for (int i = 0; i < 400; ++i) {
      const auto wide = static_cast<std::int32_t>((1u << 30) + random.below(1u << 30));
      const dsmm::fixed_point f{i == 0 ? 1 << 30 : i == 1 ? 0x7FFF'FFFF : wide, shift};
      const k::mul_u8_impl::product_scale scale(f);
      for (const std::int32_t p : {0, 1, -1, 65025, -65025, static_cast<std::int32_t>(random.below(130051)) - 65025})
        CHECK(scale(p) == dsmm::requantize(p, f));
    }
}

TEST_CASE("every variant multiplies as generic does: channels, gates, distances, factors, in place") {
  dsmm::rng random(9);
  k::mul_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    CAPTURE(dsmm::to_string(V::required));
    for (const std::int32_t channels : {1, 2, 3, 4, 8, 16, 20, 32, 33, 63, 64, 65, 96, 130, 144})
      for (const bool gate : {false, true})
        for (const std::int32_t extra : {0, 4}) {
          const dsmm::extents shape{2, 7, channels}, shape_b = gate ? dsmm::extents{1, 1, channels} : shape;
          const std::int32_t pixel = extra == 0 ? channels : (channels + 3) / 4 * 4;
          golden::guarded<std::uint8_t> a(shape, pixel, 0), b(shape_b, channels, 0), y(shape, pixel, 99),
              z(shape, pixel, 99);
          fill(a, shape, random.u32());
          fill(b, shape_b, random.u32());
          const auto byte = [&] { return static_cast<std::int32_t>(random.below(256)); };
          k::mul_factors f{{0x40000000 + static_cast<std::int32_t>(random.below(1 << 30)),
                            31 + static_cast<std::int32_t>(random.below(20))}, byte(), byte(), byte(), 0};
          if (random.below(2) == 0) f.low = f.zero_y;
          const auto wide = k::eltwise_impl::broadcast(dsmm::tensor_view<const std::uint8_t>(b.view), shape);
          k::mul_u8_impl::generic::rows(a.view, wide, y.view, f, 0, 2);
          V::rows(a.view, wide, z.view, f, 0, 2);
          CHECK(y.buffer == z.buffer);
          V::rows(a.view, wide, a.view, f, 0, 2);
          for (std::int32_t row = 0; row < 2; ++row)
            for (std::int32_t col = 0; col < 7; ++col)
              CHECK(std::equal(a.view.at(row, col), a.view.at(row, col) + channels, y.view.at(row, col)));
        }
  });
}
