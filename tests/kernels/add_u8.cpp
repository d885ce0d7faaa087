// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/add_u8.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

using bytes = golden::guarded<std::uint8_t>;

}  // namespace

TEST_CASE("every variant adds as generic does: lengths, gates, factors, in place") {
  dsmm::rng random(21);
  k::add_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    CAPTURE(dsmm::to_string(V::required));
    for (std::int32_t channels = 1; channels <= 200; channels += 1 + channels / 40)
      for (const bool gate : {false, true}) {
        const dsmm::extents shape{2, 3, channels}, shape_b = gate ? dsmm::extents{1, 1, channels} : shape;
        const std::int32_t pixel = channels % 2 == 0 ? channels : (channels + 3) / 4 * 4;
        bytes a(shape, pixel, 0), b(shape_b, pixel, 0), y(shape, pixel, 99);
        a.randomize(random.u32());
        b.randomize(random.u32());
        const auto below = [&](std::uint32_t n) { return static_cast<std::int32_t>(random.below(n)); };
        k::add_factors f{below(4'208'000), below(4'208'000), below(256), below(256), below(256), 0};
        if (below(4) == 0) f.a >>= below(20), f.b >>= below(20);
        if (below(4) == 0) f.a <<= 7;
        if (below(2) == 0) f.low = f.zero_y;
        const auto wide = k::eltwise_impl::broadcast(dsmm::tensor_view<const std::uint8_t>(b.view), shape);
        k::add_u8_impl::generic::rows(a.view, wide, y.view, f, 0, 2);
        CHECK(y.halo_untouched());
        V::rows(a.view, wide, a.view, f, 0, 2);
        bool equal = true;
        for (std::int32_t row = 0; row < 2; ++row)
          for (std::int32_t col = 0; col < 3; ++col)
            equal &= std::equal(y.view.at(row, col), y.view.at(row, col) + pixel, a.view.at(row, col));
        CHECK(equal);
      }
  });
}

TEST_CASE("add is within half a step of the real sum, over every pair of bytes") {
  const dsmm::quantization qa{0.02f, 128}, qb{0.05f, 30}, qy{0.06f, 100};
  k::add_factors f;
  REQUIRE(k::make_add_factors(qa, qb, qy, false, f));
  std::vector<std::uint8_t> a(65536), b(65536), y(65536);
  for (std::size_t i = 0; i < 65536; ++i) {
    a[i] = static_cast<std::uint8_t>(i);
    b[i] = static_cast<std::uint8_t>(i >> 8);
  }
  const dsmm::extents shape{1, 1, 65536};
  k::add_u8(dsmm::best_isa(), dsmm::dense_view<const std::uint8_t>(a.data(), shape),
            dsmm::dense_view<const std::uint8_t>(b.data(), shape), dsmm::dense_view(y.data(), shape), f, 0, 1);
  double worst = 0.0;
  for (std::size_t i = 0; i < 65536; ++i) {
    const double real = (0.02 * (a[i] - 128) + 0.05 * (b[i] - 30)) / 0.06 + 100;
    worst = std::max(worst, std::fabs(y[i] - std::clamp(real, 0.0, 255.0)));
  }
  CHECK(worst < 0.501);
}

TEST_CASE("add at the border between 32 and 64 bits, largest inputs") {
  for (const std::int32_t m : {4'208'704, 4'208'703, 4'208'705, 1 << 30}) {
    const k::add_factors f{m, m, 0, 255, 0, 0}, g{m, m, 255, 255, 255, 0}, h{m, m, 0, 0, 0, 0};
    for (const k::add_factors& k1 : {f, g, h})
      for (const int va : {0, 255})
        for (const int vb : {0, 255}) {
          const auto a = static_cast<std::uint8_t>(va), b = static_cast<std::uint8_t>(vb);
          std::uint8_t y = 1;
          const dsmm::tensor_view<std::uint8_t> out = dsmm::dense_view(&y, {});
          k::add_u8(dsmm::best_isa(), dsmm::dense_view(&a, {}), dsmm::dense_view(&b, {}), out, k1, 0, 1);
          const std::int64_t s = std::int64_t{va - k1.zero_a} * m + std::int64_t{vb - k1.zero_b} * m + (1 << 19);
          CHECK(y == std::clamp<std::int64_t>(k1.zero_y + (s >> 20), 0, 255));
        }
  }
}
