// SPDX-License-Identifier: Apache-2.0
#include "dsmm/inspect/load_frame.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/resize.hpp"

namespace {

using dsmm::frame_view;
using dsmm::pixel_format;
using bytes = std::vector<std::uint8_t>;

constexpr pixel_format bayers[] = {pixel_format::bayer_rggb, pixel_format::bayer_bggr, pixel_format::bayer_grbg,
                                   pixel_format::bayer_gbrg};

bytes noise(std::size_t n) {
  dsmm::rng random(5);
  bytes out(n);
  for (auto& v : out) v = static_cast<std::uint8_t>(random.below(256));
  return out;
}

bytes loaded(const frame_view& f, std::int32_t channels, pixel_format order = pixel_format::rgb) {
  bytes out(static_cast<std::size_t>(f.width * f.height * channels));
  dsmm::load_frame(f, order, dsmm::dense_view(out.data(), {f.height, f.width, channels}));
  return out;
}

/// A mosaic of a scene that gives red, green and blue of each pixel.
template <class Scene>
bytes mosaic(pixel_format format, std::int32_t width, std::int32_t height, const Scene& scene) {
  const auto cell = dsmm::load_frame_impl::cell_of(format);
  bytes out;
  for (std::int32_t y = 0; y < height; ++y)
    for (std::int32_t x = 0; x < width; ++x) {
      const bool red_row = (y & 1) == cell.red_row, red_column = (x & 1) == cell.red_column;
      out.push_back(scene(x, y)[red_row && red_column ? 0 : red_row == red_column ? 2 : 1]);
    }
  return out;
}

}  // namespace

TEST_CASE("packed formats keep their colours, padded rows, either order; grey by BT.601") {
  const bytes b = noise(4 * 70 * 3);
  struct row {
    pixel_format format;
    std::size_t step, red, blue;
  };
  for (const row& r : {row{pixel_format::bgr, 3, 2, 0}, row{pixel_format::rgb, 3, 0, 2},
                       row{pixel_format::bgrx, 4, 2, 0}, row{pixel_format::rgbx, 4, 0, 2}}) {
    const frame_view f{b.data(), 65, 3, 70 * static_cast<std::ptrdiff_t>(r.step), r.format};
    const bytes rgb = loaded(f, 3), bgr = loaded(f, 3, pixel_format::bgr), grey = loaded(f, 1);
    for (std::size_t y = 0, i = 0; y < 3; ++y)
      for (std::size_t x = 0; x < 65; ++x, ++i) {
        const std::uint8_t* const p = b.data() + (y * 70 + x) * r.step;
        CHECK(rgb[3 * i] == p[r.red]);
        CHECK(rgb[3 * i + 1] == p[1]);
        CHECK(rgb[3 * i + 2] == p[r.blue]);
        CHECK(bgr[3 * i] == p[r.blue]);
        CHECK(grey[i] == dsmm::luma(p[r.red], p[1], p[r.blue]));
      }
  }
}

TEST_CASE("nv12 is within a step of the matrices in double, clamped, for odd sizes and wide pictures") {
  constexpr std::int32_t w = 131, h = 5;
  const bytes y = noise(140 * h), uv = noise(140 * 3);
  for (const int kind : {0, 1, 2, 3}) {
    const bool hd = (kind & 1) != 0, full = (kind & 2) != 0;
    const frame_view f{y.data(), w, h, 140, pixel_format::nv12, uv.data(), 140, hd, full};
    REQUIRE(f.complete());
    const bytes rgb = loaded(f, 3), grey = loaded(f, 1);
    const double kr = hd ? 0.2126 : 0.299, kb = hd ? 0.0722 : 0.114, kg = 1 - kr - kb;
    const double black = full ? 0 : 16, luma_span = full ? 255 : 219, chroma_span = full ? 255 : 224;
    double worst = 0;
    for (std::int32_t r = 0; r < h; ++r)
      for (std::int32_t c = 0; c < w; ++c) {
        const double luma = (y[static_cast<std::size_t>(r * 140 + c)] - black) / luma_span;
        const auto pair = static_cast<std::size_t>(r / 2 * 140 + c / 2 * 2);
        const double pb = (uv[pair] - 128) / chroma_span, pr = (uv[pair + 1] - 128) / chroma_span;
        const double red = luma + 2 * (1 - kr) * pr, blue = luma + 2 * (1 - kb) * pb;
        const double wanted[] = {red, (luma - kr * red - kb * blue) / kg, blue};
        const auto at = static_cast<std::size_t>(r * w + c);
        for (std::size_t k = 0; k < 3; ++k)
          worst = std::max(worst, std::fabs(rgb[3 * at + k] - std::clamp(255 * wanted[k], 0.0, 255.0)));
        worst = std::max(worst, std::fabs(grey[at] - std::clamp(255 * luma, 0.0, 255.0)));
      }
    CHECK(worst < 1.6);
  }
  CHECK_FALSE(frame_view{y.data(), w, h, 140, pixel_format::nv12}.complete());
  CHECK_FALSE(frame_view{y.data(), w, h, 140, pixel_format::nv12, uv.data(), 131}.complete());
}

TEST_CASE("a Bayer mosaic of one colour is that colour everywhere, in all four phases and down to one pixel of width") {
  for (const pixel_format format : bayers)
    for (const std::int32_t width : {2, 3, 63, 64, 65, 130}) {
      const std::array<std::uint8_t, 3> colour{200, 90, 13};
      const bytes b = mosaic(format, width, 4, [&](std::int32_t, std::int32_t) { return colour; });
      const bytes rgb = loaded({b.data(), width, 4, width, format}, 3);
      for (std::size_t i = 0; i < rgb.size(); ++i) REQUIRE(rgb[i] == colour[i % 3]);
    }
  const bytes one{77};
  CHECK(loaded({one.data(), 1, 1, 1, pixel_format::bayer_grbg}, 3)[1] == 77);
}

TEST_CASE("a slope stays a slope between the borders of a Bayer mosaic") {
  const auto scene = [](std::int32_t x, std::int32_t y) {
    return std::array{static_cast<std::uint8_t>(x + 2 * y), static_cast<std::uint8_t>(200 - x),
                      static_cast<std::uint8_t>(10 + 3 * y)};
  };
  for (const pixel_format format : bayers) {
    const bytes b = mosaic(format, 70, 20, scene), rgb = loaded({b.data(), 70, 20, 70, format}, 3);
    for (std::int32_t y = 1; y < 19; ++y)
      for (std::int32_t x = 1; x < 69; ++x)
        for (std::size_t c = 0; c < 3; ++c)
          REQUIRE(rgb[static_cast<std::size_t>(y * 70 + x) * 3 + c] == scene(x, y)[c]);
  }
}

TEST_CASE("a scaled picture has the bytes of the resized one") {
  const bytes data = noise(200 * 40), uv = noise(200 * 20);
  for (const pixel_format format :
       {pixel_format::gray8, pixel_format::bgr, pixel_format::rgbx, pixel_format::nv12, pixel_format::bayer_gbrg})
    for (const std::int32_t channels : {1, 3})
      for (const auto& [w, h] : {std::pair{17, 9}, std::pair{45, 31}, std::pair{90, 70}}) {
        const frame_view f{data.data(), 45, 31, 200, format, uv.data(), 200};
        const bytes whole = loaded(f, channels);
        bytes expected(static_cast<std::size_t>(w * h * channels)), got(expected.size());
        dsmm::kernels::resize_bilinear_u8(dsmm::isa::generic, dsmm::dense_view(whole.data(), {31, 45, channels}),
                                          dsmm::dense_view(expected.data(), {h, w, channels}), 0, 0, h);
        dsmm::load_frame_scaled(f, pixel_format::rgb, dsmm::dense_view(got.data(), {h, w, channels}));
        CHECK(got == expected);
      }
}
