// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/conv_u8s8.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <type_traits>

#include "tests/kernels/conv_case.hpp"
#include "tests/kernels/golden.hpp"

using namespace dsmm;
using namespace dsmm::kernels;

namespace {

/// The convolution as docs/ops.md states it: no packing, no offsets, no halo tricks.
template <class T>
void reference(const conv_case& c, const tensor_view<T>& y) {
  const conv_geometry& g = c.geometry;
  for (std::int32_t oy = 0; oy < y.shape.h; ++oy)
    for (std::int32_t ox = 0; ox < y.shape.w; ++ox)
      for (std::int32_t o = 0; o < g.out_channels; ++o) {
        const auto at = static_cast<std::size_t>(o);
        std::int64_t acc = c.bias[at];
        for (std::int32_t kh = 0; kh < g.kernel_h; ++kh)
          for (std::int32_t kw = 0; kw < g.kernel_w; ++kw)
            for (std::int32_t i = 0; i < g.in_channels; ++i)
              acc += c.x_view().at(oy * g.stride_h + kh * g.dilation_h, ox * g.stride_w + kw * g.dilation_w)[i] *
                     c.w8[static_cast<std::size_t>(((o * g.kernel_h + kh) * g.kernel_w + kw) * g.in_channels + i)];
        const auto sum = static_cast<std::int32_t>(acc);
        const conv_epilogue e = c.epilogue();
        if constexpr (sizeof(T) == 1) {
          y.at(oy, ox)[o] = clamp_u8(e.zero_point + requantize(sum, {c.multiplier[at], c.shift[at]}), e.low, e.high);
        } else if constexpr (std::is_same_v<T, std::int32_t>) {
          y.at(oy, ox)[o] = sum;
        } else {
          const float v = static_cast<float>(sum) * c.factor[at];
          y.at(oy, ox)[o] = e.relu && v < 0.0f ? 0.0f : v;
        }
      }
}

template <class T>
golden::guarded<T> run(const conv_case& c, isa level, bool by_rows) {
  aligned_bytes memory(conv_pack_bytes(c.geometry, level));
  const conv_packed p = conv_pack(c.geometry, level, c.w8.data(), c.x_row, c.x_pixel, memory.data());
  CHECK(memory.guards_intact());
  golden::guarded<T> y(c.y_shape(), sizeof(T) == 1 ? c.y_pixel() : c.geometry.out_channels, T(77));
  const std::int32_t step = by_rows ? 1 : c.out_h;
  for (std::int32_t row = 0; row < c.out_h; row += step) {
    if constexpr (sizeof(T) == 1) conv_rows_u8(p, c.epilogue(), c.x_view(), y.view, row, row + step);
    else if constexpr (std::is_same_v<T, std::int32_t>)
      conv_rows_s32(p, c.bias.data(), c.x_view(), y.view, row, row + step);
    else conv_rows_f32(p, c.epilogue(), c.x_view(), y.view, row, row + step);
  }
  CHECK(y.halo_untouched());
  CHECK(y.padding_is(static_cast<T>(c.zero_point)));
  return y;
}

template <class T>
void check_as_it_is(const conv_case& c) {
  golden::guarded<T> expected(c.y_shape(), sizeof(T) == 1 ? c.y_pixel() : c.geometry.out_channels, T(77));
  reference(c, expected.view);
  for (std::int32_t y = 0; y < c.out_h; ++y)
    for (std::int32_t x = 0; x < c.out_w; ++x)
      for (std::ptrdiff_t o = c.geometry.out_channels; o < expected.view.pixel; ++o)
        expected.view.at(y, x)[o] = static_cast<T>(c.zero_point);
  conv_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!has_isa(V::required)) return;
    CAPTURE(to_string(V::required));
    CHECK(run<T>(c, V::required, false).buffer == expected.buffer);
    CHECK(run<T>(c, V::required, true).buffer == expected.buffer);
  });
}

template <class T>
void check(const conv_case& c) {
  check_as_it_is<T>(c);
  if constexpr (sizeof(T) == 1) check_as_it_is<T>(c.in_float(false)), check_as_it_is<T>(c.in_float(true));
}

}  // namespace

TEST_CASE("every variant gives the bits of the definition, on odd shapes") {
  rng random(1);
  for (int i = 0; i < 160; ++i) {
    const conv_case c = conv_case::random(random);
    CAPTURE(i);
    CAPTURE(c.text());
    check<std::uint8_t>(c);
    check<float>(c);
    check<std::int32_t>(c);
  }
}

TEST_CASE("channel counts from 1 to 100, so that every panel and every store mask occurs") {
  rng random(2);
  for (std::int32_t o = 1; o <= 100; ++o) {
    conv_case c = conv_case::random(random);
    c.geometry.out_channels = o;
    c.geometry.kernel_h = c.geometry.kernel_w = 1 + o % 2;
    c.out_h = 1 + o % 3;
    c.out_w = 1 + o % 14;
    c.fill(random);
    CAPTURE(c.text());
    check<std::uint8_t>(c);
    check<float>(c);
    check<std::int32_t>(c);
  }
}

TEST_CASE("vectors and series: few pixels, or one pixel wide") {
  rng random(3);
  for (std::int32_t rows = 1; rows <= 40; ++rows) {
    conv_case c = conv_case::random(random);
    c.geometry = {rows % 3 + 1, 1, 1, 1, rows % 5 + 1, 1, 16 + 4 * (rows % 3), 16 + 4 * (rows % 3), 64};
    c.out_h = rows;
    c.out_w = 1;
    c.fill(random);
    CAPTURE(c.text());
    check<std::uint8_t>(c);
    check<float>(c);
    check<std::int32_t>(c);
  }
}

TEST_CASE("deep inputs and long lines: blocks of inputs that overlap, and blocks of zeros") {
  rng random(8);
  for (std::int32_t i = 0; i < 60; ++i) {
    conv_case c = conv_case::random(random);
    c.geometry.in_channels = 4 * (1 + i * 7 % 53) - i % 3;
    c.geometry.out_channels = 1 + i * 5 % 67;
    c.geometry.dilation_w = 1 + i % 2;
    c.geometry.kernel_h = 1 + i % 3;
    c.geometry.kernel_w = 1 + i / 3 % 3;
    c.out_h = 1 + i % 5;
    c.out_w = 1 + i * 11 % 47;
    c.fill(random);
    const std::size_t run = 8 + static_cast<std::size_t>(i) * 8;
    for (std::size_t k = 0; i % 2 == 0 && k < c.w8.size(); ++k)
      if (k / run % 2 == 0) c.w8[k] = 0;
    CAPTURE(c.text());
    check<std::uint8_t>(c);
    check<float>(c);
    check<std::int32_t>(c);
  }
}

TEST_CASE("rows of zeros above and below, told or not, change nothing") {
  rng random(7);
  for (int i = 0; i < 60; ++i) {
    conv_case c = conv_case::random(random);
    if (i % 2 == 0) c.geometry.dilation_h = c.geometry.stride_h = 1;
    c.geometry.kernel_h = 3 + i % 5;
    c.out_h = 3 + i % 12;
    c.out_w = 1 + i % 15;
    c.fill(random);
    const auto rows = static_cast<std::uint32_t>(c.in_h());
    const auto above = static_cast<std::int32_t>(random.below(rows)),
               used = static_cast<std::int32_t>(random.below(rows));
    for (std::int32_t row = 0; row < c.in_h(); ++row)
      if (row < above || row >= above + used)
        std::fill_n(c.x.begin() + row * c.x_row, std::min(c.x_row, c.x.end() - (c.x.begin() + row * c.x_row)),
                    std::byte{0});
    CAPTURE(c.text());
    CAPTURE(above);
    CAPTURE(used);
    const auto expected = run<std::uint8_t>(c, isa::generic, false);
    conv_variants::for_each([&]<class V>(std::type_identity<V>) {
      if (!has_isa(V::required)) return;
      CAPTURE(to_string(V::required));
      aligned_bytes memory(conv_pack_bytes(c.geometry, V::required));
      conv_packed p = conv_pack(c.geometry, V::required, c.w8.data(), c.x_row, c.x_pixel, memory.data());
      p.zero_rows = above;
      p.used_rows = used;
      golden::guarded<std::uint8_t> y(c.y_shape(), c.y_pixel(), 77);
      for (std::int32_t row = 0; row < c.out_h; row += 2)
        conv_rows_u8(p, c.epilogue(), c.x_view(), y.view, row, std::min(row + 2, c.out_h));
      CHECK(y.buffer == expected.buffer);
    });
  }
}

TEST_CASE("all 65536 products of u8 and s8 are exact") {
  // Output channel o has weight o - 128 at tap 0 and the channel's extremes elsewhere; pixel x has the value x.
  for (const int other : {-128, 0, 127}) {
    conv_case c;
    c.geometry = {1, 1, 1, 1, 1, 1, 4, 4, 256};
    c.out_h = 1;
    c.out_w = 256;
    rng random(4);
    c.fill(random);
    for (std::size_t o = 0; o < 256; ++o) {
      for (std::size_t i = 0; i < 4; ++i)
        c.w8[o * 4 + i] = static_cast<std::int8_t>(i == 0 ? static_cast<int>(o) - 128 : other);
      c.bias[o] = 0;
      c.factor[o] = 1.0f;
    }
    c.relu = false;
    for (std::size_t x = 0; x < 256; ++x)
      for (std::size_t i = 0; i < 4; ++i) c.x.data()[x * 4 + i] = static_cast<std::byte>(i == 0 ? x : 255);
    check<float>(c);
    check<std::int32_t>(c);
    const auto y = run<float>(c, isa::generic, false);
    for (std::int32_t x = 0; x < 256; ++x)
      for (std::int32_t o = 0; o < 256; ++o)
        REQUIRE(y.view.at(0, x)[o] == static_cast<float>(x * (o - 128) + 3 * 255 * other));
  }
}

TEST_CASE("bits are those of every other machine and compiler") {
  rng random(5);
  REQUIRE(selected_isa());
  std::uint64_t hash_u8 = 0, hash_f32 = 0;
  for (int i = 0; i < 20; ++i) {
    const conv_case c = conv_case::random(random);
    hash_u8 = golden::hash(run<std::uint8_t>(c, *selected_isa(), false).buffer, hash_u8);
    hash_f32 = golden::hash(run<float>(c, *selected_isa(), false).buffer, hash_f32);
  }
  golden::check("conv_u8s8", hash_u8);
  golden::check("conv_u8s8_f32", hash_f32);
}
