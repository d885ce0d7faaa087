// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/resize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "tests/kernels/fenced_bytes.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

struct resize_case {
  dsmm::extents x, y;
};

const resize_case cases[] = {
    {{1, 1, 3}, {5, 4, 3}},     {{4, 4, 1}, {4, 4, 1}},   {{8, 8, 5}, {3, 130, 5}},
    {{5, 7, 17}, {10, 14, 17}}, {{64, 64, 1}, {9, 7, 1}}, {{3, 200, 2}, {7, 65, 2}},
};

/// Bilinear value in double at half-pixel centres.
template <class View>
double exact(const View& x, const dsmm::extents& out, std::int32_t oy, std::int32_t ox, std::int32_t c) {
  const auto axis = [](std::int32_t o, std::int32_t in, std::int32_t n) {
    return std::clamp((o + 0.5) * in / n - 0.5, 0.0, in - 1.0);
  };
  const double py = axis(oy, x.shape.h, out.h), px = axis(ox, x.shape.w, out.w);
  const auto y0 = static_cast<std::int32_t>(py), x0 = static_cast<std::int32_t>(px);
  const std::int32_t y1 = std::min(y0 + 1, x.shape.h - 1), x1 = std::min(x0 + 1, x.shape.w - 1);
  const double fy = py - y0, fx = px - x0;
  const auto v = [&](std::int32_t r, std::int32_t s) { return static_cast<double>(x.at(r, s)[c]); };
  return (v(y0, x0) * (1 - fx) + v(y0, x1) * fx) * (1 - fy) + (v(y1, x0) * (1 - fx) + v(y1, x1) * fx) * fy;
}

}  // namespace

TEST_CASE("resize: u8 within 0.63, f32 within 1e-6 of double; nearest exact; halo and padding") {
  std::uint64_t hash = 0;
  for (const resize_case& s : cases) {
    const auto n = static_cast<std::size_t>(s.x.count());
    const auto bytes = golden::random_u8(n, 1);
    const auto floats = golden::random_f32(n, 2, -1.0f, 1.0f);
    const auto xb = dsmm::dense_view(bytes.data(), s.x);
    const auto xf = dsmm::dense_view(floats.data(), s.x);
    golden::guarded<std::uint8_t> yb(s.y, (s.y.c + 3) / 4 * 4, 3), nb = yb;
    nb.view.data = nb.buffer.data() + (yb.view.data - yb.buffer.data());
    golden::guarded<float> yf(s.y, s.y.c, 3.0f), nf = yf;
    nf.view.data = nf.buffer.data() + (yf.view.data - yf.buffer.data());
    for (std::int32_t row = 0; row < s.y.h; ++row) {
      k::resize_bilinear_u8(dsmm::isa::generic, xb, yb.view, 44, row, row + 1);
      k::resize_bilinear_f32(xf, yf.view, row, row + 1);
      k::resize_nearest<std::uint8_t>(xb, nb.view, 44, row, row + 1);
      k::resize_nearest<float>(xf, nf.view, 0, row, row + 1);
    }
    double worst_u8 = 0.0, worst_f32 = 0.0;
    bool nearest = true;
    for (std::int32_t oy = 0; oy < s.y.h; ++oy)
      for (std::int32_t ox = 0; ox < s.y.w; ++ox)
        for (std::int32_t c = 0; c < s.y.c; ++c) {
          worst_u8 = std::max(worst_u8, std::fabs(yb.view.at(oy, ox)[c] - exact(xb, s.y, oy, ox, c)));
          worst_f32 =
              std::max(worst_f32, std::fabs(static_cast<double>(yf.view.at(oy, ox)[c]) - exact(xf, s.y, oy, ox, c)));
          const auto iy = static_cast<std::int32_t>((oy + 0.5) * s.x.h / s.y.h);
          const auto ix = static_cast<std::int32_t>((ox + 0.5) * s.x.w / s.y.w);
          nearest &= nb.view.at(oy, ox)[c] == xb.at(iy, ix)[c] && nf.view.at(oy, ox)[c] == xf.at(iy, ix)[c];
        }
    CHECK(worst_u8 < 0.63);  // one half, and 2^-12 of 255 along each axis
    CHECK(worst_f32 < 1e-6);
    CHECK(nearest);
    CHECK(yb.halo_untouched());
    CHECK(yb.padding_is(44));
    CHECK(nb.padding_is(44));
    CHECK(yf.halo_untouched());
    hash = golden::hash(nb.buffer, golden::hash(yb.buffer, hash));
    hash = golden::hash(nf.buffer, golden::hash(yf.buffer, hash));
  }
  golden::check("resize", hash);
}

TEST_CASE("every variant resizes bytes as generic does: channels, taps at the edges, beside forbidden pages") {
  k::resize_u8_variants::for_each([]<class V>(std::type_identity<V>) {
    if (!dsmm::has_isa(V::required)) return;
    CAPTURE(dsmm::to_string(V::required));
    for (std::int32_t channels = 1; channels <= 70; channels += channels < 20 ? 1 : 7)
      for (const fence side : {fence::behind, fence::before}) {
        const dsmm::extents from{3, 5, channels}, to{7, 4, channels};
        fenced_bytes x(golden::random_u8(static_cast<std::size_t>(from.count()), 3), side);
        fenced_bytes y(static_cast<std::size_t>(to.count()), side);
        std::vector<std::uint8_t> expected(y.size());
        const auto in = dsmm::dense_view<const std::uint8_t>(x.as<std::uint8_t>(), from);
        k::resize_u8_impl::generic::rows(in, dsmm::dense_view(expected.data(), to), 0, 0, 7);
        V::rows(in, dsmm::dense_view(y.as<std::uint8_t>(), to), 0, 0, 7);
        CHECK(std::equal(expected.begin(), expected.end(), y.as<std::uint8_t>()));
      }
  });
}

TEST_CASE("a constant picture stays constant, the largest byte does not overflow, equal size is the identity") {
  const std::vector<std::uint8_t> white(35, 255), ramp = golden::random_u8(35, 6);
  std::vector<std::uint8_t> y(400), same(35);
  k::resize_bilinear_u8(dsmm::isa::generic, dsmm::dense_view(white.data(), {5, 7, 1}),
                        dsmm::dense_view(y.data(), {20, 20, 1}), 0, 0, 20);
  CHECK(std::all_of(y.begin(), y.end(), [](std::uint8_t v) { return v == 255; }));
  k::resize_bilinear_u8(dsmm::isa::generic, dsmm::dense_view(ramp.data(), {5, 7, 1}),
                        dsmm::dense_view(same.data(), {5, 7, 1}), 0, 0, 5);
  CHECK(same == ramp);
}

TEST_CASE("an invalid operation yields the one NaN") {
  const float x[] = {INFINITY, -INFINITY};
  float y[4];
  k::resize_bilinear_f32(dsmm::dense_view(x, {1, 2, 1}), dsmm::dense_view(y, {1, 4, 1}), 0, 1);
  CHECK(std::bit_cast<std::uint32_t>(y[1]) == 0x7FC0'0000u);
}
