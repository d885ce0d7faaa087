// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/pool.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

struct shape_case {
  dsmm::extents x;
  k::pool_geometry g;
  dsmm::extents y;
};

const shape_case cases[] = {
    {{8, 8, 16}, {2, 2, 2, 2, 0, 0}, {4, 4, 16}},   {{7, 9, 5}, {3, 3, 2, 2, 1, 1}, {4, 5, 5}},
    {{1, 1, 1}, {1, 1, 1, 1, 0, 0}, {1, 1, 1}},     {{5, 3, 67}, k::global_pool({5, 3, 67}), {1, 1, 67}},
    {{6, 6, 130}, {3, 2, 1, 3, 1, 0}, {6, 2, 130}}, {{2, 2, 3}, {3, 3, 3, 3, 3, 3}, {2, 2, 3}},
};

constexpr dsmm::quantization qx{0.05f, 3}, qy{0.06f, 17};

std::vector<std::int32_t> window_values(const shape_case& s, const dsmm::tensor_view<std::uint8_t>& x, std::int32_t oy,
                                        std::int32_t ox, std::int32_t c) {
  std::vector<std::int32_t> v;
  for (std::int32_t ky = 0; ky < s.g.kernel_h; ++ky)
    for (std::int32_t kx = 0; kx < s.g.kernel_w; ++kx) {
      const std::int32_t iy = oy * s.g.stride_h - s.g.pad_top + ky, ix = ox * s.g.stride_w - s.g.pad_left + kx;
      if (iy >= 0 && iy < s.x.h && ix >= 0 && ix < s.x.w) v.push_back(x.at(iy, ix)[c]);
    }
  return v;
}

}  // namespace

TEST_CASE("u8 pools: exact integers, halo untouched, padding channels at the zero point") {
  std::uint64_t hash = 0;
  for (const shape_case& s : cases) {
    golden::guarded<std::uint8_t> x(s.x, s.x.c + 2, 255), largest(s.y, (s.y.c + 3) / 4 * 4, 77),
        mean(s.y, (s.y.c + 3) / 4 * 4, 77);
    const auto values = golden::random_u8(static_cast<std::size_t>(s.x.count()), 9);
    std::size_t i = 0;
    for (std::int32_t row = 0; row < s.x.h; ++row)
      for (std::int32_t col = 0; col < s.x.w; ++col)
        for (std::int32_t c = 0; c < s.x.c; ++c) x.view.at(row, col)[c] = values[i++];
    REQUIRE(k::avg_pool_fits(s.x, s.y, s.g, qx, qy));
    for (std::int32_t row = 0; row < s.y.h; ++row) {  // row by row, as tasks would
      k::max_pool_u8(x.view, largest.view, s.g, 3, row, row + 1);
      k::avg_pool_u8(x.view, mean.view, s.g, qx, qy, row, row + 1);
    }
    for (std::int32_t oy = 0; oy < s.y.h; ++oy)
      for (std::int32_t ox = 0; ox < s.y.w; ++ox)
        for (std::int32_t c = 0; c < s.y.c; ++c) {
          const auto window = window_values(s, x.view, oy, ox, c);
          std::int32_t top = window.empty() ? 3 : 0;
          std::int64_t sum = 0;
          for (const std::int32_t v : window) {
            top = std::max(top, v);
            sum += v - qx.zero_point;
          }
          CHECK(largest.view.at(oy, ox)[c] == top);
          const double real =
              window.empty() ? 0.0 : 0.05 * static_cast<double>(sum) / static_cast<double>(window.size());
          const double exact = std::min(255.0, std::max(0.0, real / 0.06 + qy.zero_point));
          CHECK(std::fabs(mean.view.at(oy, ox)[c] - exact) <= 0.5001);
        }
    CHECK(largest.halo_untouched());
    CHECK(mean.halo_untouched());
    CHECK(largest.padding_is(3));
    CHECK(mean.padding_is(17));
    hash = golden::hash(mean.buffer, golden::hash(largest.buffer, hash));
  }
  golden::check("pool.u8", hash);
}

TEST_CASE("the largest of a window for every number of channels") {
  for (std::int32_t channels = 1; channels <= 100; ++channels) {
    const shape_case s{{5, 6, channels}, {3, 3, 2, 2, 1, 1}, {3, 3, channels}};
    golden::guarded<std::uint8_t> x(s.x, s.x.c, 255), y(s.y, (s.y.c + 3) / 4 * 4, 77);
    const auto values = golden::random_u8(static_cast<std::size_t>(s.x.count()), 9);
    for (std::int32_t row = 0; row < s.x.h; ++row)
      std::copy_n(values.begin() + std::ptrdiff_t{row} * 6 * channels, 6 * channels, x.view.at(row, 0));
    k::max_pool_u8(x.view, y.view, s.g, 3, 0, 3);
    for (std::int32_t oy = 0; oy < 3; ++oy)
      for (std::int32_t ox = 0; ox < 3; ++ox)
        for (std::int32_t c = 0; c < channels; ++c) {
          const auto window = window_values(s, x.view, oy, ox, c);
          CHECK(y.view.at(oy, ox)[c] == *std::max_element(window.begin(), window.end()));
        }
    CHECK(y.halo_untouched());
    CHECK(y.padding_is(3));
  }
}

TEST_CASE("ties of an average go upward") {
  const std::uint8_t x[] = {1, 2, 3, 4};
  std::uint8_t y[2] = {};
  k::avg_pool_u8(dsmm::dense_view(x, {1, 4, 1}), dsmm::dense_view(y, {1, 2, 1}), {1, 2, 1, 2, 0, 0}, {1.0f, 0},
                 {1.0f, 0}, 0, 1);
  CHECK(y[0] == 2);
  CHECK(y[1] == 4);
}

TEST_CASE("a factor that fixed_point cannot hold is refused") {
  CHECK_FALSE(k::avg_pool_fits({1, 1, 1}, {1, 1, 1}, {}, {1.0f, 0}, {1.0f, 0}));
  CHECK(k::avg_pool_fits({2, 1, 1}, {1, 1, 1}, {2, 1, 1, 1, 0, 0}, {1.0f, 0}, {1.0f, 0}));
  CHECK_FALSE(k::avg_pool_fits({2, 2, 1}, {3, 3, 1}, {2, 2, 1, 1, 1, 1}, {1.0f, 0}, {1.0f, 0}));  // corners: n = 1
}

TEST_CASE("f32 pools: NaN is seen, padding never wins, zeros lose their sign") {
  const float x[] = {-0.0f, -1.0f, -2.0f, NAN, 5.0f, -0.0f};
  float y[3] = {}, m[3] = {};
  const k::pool_geometry pairs{1, 2, 1, 2, 0, 0}, padded{1, 3, 1, 2, 0, 1};
  k::max_pool_f32(dsmm::dense_view(x, {1, 6, 1}), dsmm::dense_view(y, {1, 3, 1}), pairs, 0, 1);
  CHECK(y[0] == 0.0f);
  CHECK_FALSE(std::signbit(y[0]));
  CHECK(std::bit_cast<std::uint32_t>(y[1]) == 0x7FC0'0000u);
  CHECK(y[2] == 5.0f);
  k::avg_pool_f32(dsmm::dense_view(x, {1, 6, 1}), dsmm::dense_view(m, {1, 3, 1}), padded, 0, 1);
  CHECK(m[0] == -0.5f);
  CHECK(std::isnan(m[1]));
  const float below[] = {-3.0f, -4.0f};
  k::max_pool_f32(dsmm::dense_view(below, {1, 2, 1}), dsmm::dense_view(y, {1, 1, 1}), padded, 0, 1);
  CHECK(y[0] == -3.0f);
  const std::vector<float> wide = golden::random_f32(7 * 9 * 5, 3, -4.0f, 4.0f);
  std::vector<float> a(4 * 5 * 5), b(4 * 5 * 5);
  k::max_pool_f32(dsmm::dense_view(wide.data(), {7, 9, 5}), dsmm::dense_view(a.data(), {4, 5, 5}), cases[1].g, 0, 4);
  k::avg_pool_f32(dsmm::dense_view(wide.data(), {7, 9, 5}), dsmm::dense_view(b.data(), {4, 5, 5}), cases[1].g, 0, 4);
  golden::check("pool.f32", golden::hash(b, golden::hash(a)));
}
