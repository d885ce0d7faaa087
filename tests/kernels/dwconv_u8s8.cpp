// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/dwconv_u8s8.hpp"

#include <doctest/doctest.h>

#include <array>
#include <type_traits>

#include "tests/kernels/conv_case.hpp"
#include "tests/kernels/golden.hpp"

using namespace dsmm;
using namespace dsmm::kernels;

namespace {

/// A random case with as many outputs as inputs; channels 0: any count.
conv_case depthwise_case(rng& random, std::int32_t channels) {
  conv_case c = conv_case::random(random);
  c.depthwise = true;
  if (channels != 0) c.geometry.out_channels = channels;
  c.geometry.in_channels = c.geometry.out_channels;
  c.fill(random);
  return c;
}

/// The depthwise convolution as docs/ops.md states it.
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
            acc += c.x_view().at(oy * g.stride_h + kh * g.dilation_h, ox * g.stride_w + kw * g.dilation_w)[o] *
                   c.w8[static_cast<std::size_t>((o * g.kernel_h + kh) * g.kernel_w + kw)];
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
  aligned_bytes memory(dw_pack_bytes(c.geometry, level));
  const conv_packed p = dw_pack(c.geometry, level, c.w8.data(), c.x_row, c.x_pixel, memory.data());
  CHECK(memory.guards_intact());
  golden::guarded<T> y(c.y_shape(), sizeof(T) == 1 ? c.y_pixel() : c.geometry.out_channels, T(77));
  const std::int32_t step = by_rows ? 1 : c.out_h;
  for (std::int32_t row = 0; row < c.out_h; row += step) {
    if constexpr (sizeof(T) == 1) dw_rows_u8(p, c.epilogue(), c.x_view(), y.view, row, row + step);
    else if constexpr (std::is_same_v<T, std::int32_t>)
      conv_rows_s32(p, c.bias.data(), c.x_view(), y.view, row, row + step);
    else dw_rows_f32(p, c.epilogue(), c.x_view(), y.view, row, row + step);
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
  dw_variants::for_each([&]<class V>(std::type_identity<V>) {
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

TEST_CASE("every depthwise variant gives the bits of the definition, on odd shapes") {
  rng random(1);
  for (int i = 0; i < 120; ++i) {
    const conv_case c = depthwise_case(random, 0);
    CAPTURE(i);
    CAPTURE(c.text());
    check<std::uint8_t>(c);
    check<float>(c);
    check<std::int32_t>(c);
  }
}

TEST_CASE("depthwise channel counts from 1 to 140, so that every panel and every mask occurs") {
  rng random(2);
  for (std::int32_t channels = 1; channels <= 140; ++channels) {
    const conv_case c = depthwise_case(random, channels);
    CAPTURE(c.text());
    check<std::uint8_t>(c);
    check<float>(c);
    check<std::int32_t>(c);
  }
}

TEST_CASE("depthwise: all 65536 products of u8 and s8 are exact") {
  conv_case c;
  c.depthwise = true;
  c.geometry = {2, 2, 1, 1, 1, 1, 256, 256, 256};
  c.out_h = 1;
  c.out_w = 256;
  rng random(4);
  c.fill(random);
  c.relu = false;
  for (std::size_t channel = 0; channel < 256; ++channel) {
    for (std::size_t tap = 0; tap < 4; ++tap)
      c.w8[channel * 4 + tap] = static_cast<std::int8_t>(tap == 0 ? static_cast<int>(channel) - 128 : 127);
    c.bias[channel] = 0;
    c.factor[channel] = 1.0f;
  }
  for (std::size_t i = 0; i < c.x.size(); ++i) c.x[i] = static_cast<std::byte>(i / 256);
  check<float>(c);
}

TEST_CASE("depthwise bits are those of every other machine and compiler") {
  rng random(5);
  REQUIRE(selected_isa());
  std::uint64_t hash_u8 = 0, hash_f32 = 0;
  for (int i = 0; i < 20; ++i) {
    const conv_case c = depthwise_case(random, 0);
    hash_u8 = golden::hash(run<std::uint8_t>(c, *selected_isa(), false).buffer, hash_u8);
    hash_f32 = golden::hash(run<float>(c, *selected_isa(), false).buffer, hash_f32);
  }
  golden::check("dwconv_u8s8", hash_u8);
  golden::check("dwconv_u8s8_f32", hash_f32);
}

TEST_CASE("depthwise 3x3 of strides 1 and 2, which share pixels between outputs, at every width and height") {
  rng random(6);
  for (std::int32_t i = 0; i < 2 * 9 * 4; ++i)
    for (const std::int32_t channels : {1, 3, 16, 29, 32, 33, 63, 64, 65, 96, 130}) {
      const std::int32_t stride = 1 + i % 2, width = 1 + i / 2 % 9,
                         height = std::array{1, 2, 3, 5}[static_cast<std::size_t>(i / 18)];
      conv_case c;
      c.depthwise = true;
      c.geometry = {3, 3, stride, stride, 1, 1, channels, 0, channels};
      c.out_h = height;
      c.out_w = width;
      c.fill(random);
      CAPTURE(c.text());
      check<std::uint8_t>(c);
      check<float>(c);
      check<std::int32_t>(c);
    }
}
