// SPDX-License-Identifier: Apache-2.0
// Every buffer of every variant beside a page that must not be touched: inputs, weights, tables, packed memory,
// outputs. A kernel that reads or writes a byte too many ends the program.
#include <doctest/doctest.h>

#include <span>

#include "dsmm/kernels/conv_u8s4.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/dwconv_u8s8.hpp"
#include "dsmm/kernels/requantize.hpp"
#include "tests/kernels/conv_case.hpp"
#include "tests/kernels/fenced_bytes.hpp"

using namespace dsmm;
using namespace dsmm::kernels;

namespace {

constexpr fence sides[] = {fence::behind, fence::before};

/// A case whose arrays all have fences; packed for one variant.
class fenced_layer {
public:
  fenced_layer(const conv_case& c, const conv_kernel& kernel, std::int32_t group,
               const std::vector<std::uint8_t>& scale, fence side)
      : case_(c),
        x_(c.x, side),
        weights_(c.w8, side),
        scales_(scale, side),
        bias_(c.bias, side),
        multiplier_(c.multiplier, side),
        shift_(c.shift, side),
        factor_(c.factor, side),
        memory_(
            c.depthwise ? dw_pack_bytes(c.geometry, kernel.required) : conv_impl::pack_bytes(c.geometry, group, kernel),
            side) {
    const conv_weights w{weights_.as<std::int8_t>(), scales_.as<std::uint8_t>(), group};
    packed_ = c.depthwise ? dw_pack(c.geometry, kernel.required, w.w8, c.x_row, c.x_pixel, memory_.data())
                          : conv_impl::pack(c.geometry, kernel, w, c.x_row, c.x_pixel, memory_.data());
    epilogue_ = c.epilogue();
    epilogue_.bias = bias_.as<std::int32_t>();
    epilogue_.multiplier = multiplier_.as<std::int32_t>();
    epilogue_.shift = shift_.as<std::int32_t>();
    epilogue_.factor = factor_.as<float>();
  }

  /// The output's bytes; rows that are a pixel too long stay as they were between the pixels.
  template <class T>
  std::vector<T> run(fence side) {
    const std::ptrdiff_t pixel = sizeof(T) == 1 ? case_.y_pixel() : case_.geometry.out_channels;
    const std::ptrdiff_t row = pixel * case_.out_w;
    fenced_bytes y(static_cast<std::size_t>(row * case_.out_h) * sizeof(T), side);
    auto x = case_.x_view();
    x.data = x_.as<std::uint8_t>();
    const tensor_view<T> view{y.as<T>(), case_.y_shape(), row, pixel};
    if constexpr (sizeof(T) == 1) packed_.kernel->rows_u8(packed_, epilogue_, x, view, 0, case_.out_h);
    else packed_.kernel->rows_f32(packed_, epilogue_, x, view, 0, case_.out_h);
    return {y.as<T>(), y.as<T>() + y.size() / sizeof(T)};
  }

private:
  const conv_case& case_;
  fenced_bytes x_, weights_, scales_, bias_, multiplier_, shift_, factor_, memory_;
  conv_packed packed_{};
  conv_epilogue epilogue_{};
};

/// Every variant of a family, at both fences, against the generic one.
template <class Variants>
void check(const conv_case& c, std::int32_t group = 0, const std::vector<std::uint8_t>& scales = {}) {
  CAPTURE(c.text());
  fenced_layer generic(c, conv_kernel_of<typename Variants::last>, group, scales, fence::behind);
  const auto expected_u8 = generic.run<std::uint8_t>(fence::behind);
  const auto expected_f32 = generic.run<float>(fence::behind);
  Variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!has_isa(V::required)) return;
    CAPTURE(to_string(V::required));
    for (const fence side : sides) {
      fenced_layer layer(c, conv_kernel_of<V>, group, scales, side);
      CHECK(layer.run<std::uint8_t>(side) == expected_u8);
      CHECK(layer.run<float>(side) == expected_f32);
    }
  });
}

/// With and without scaling in f32.
template <class Variants>
void check_both(const conv_case& c) {
  check<Variants>(c);
  check<Variants>(c.in_float(true));
}

}  // namespace

TEST_CASE("no convolution touches a byte beside its buffers") {
  rng random(11);
  for (int i = 0; i < 60; ++i) check_both<conv_variants>(conv_case::random(random));
  for (std::int32_t o = 1; o <= 70; o += 3) {  // every store mask, in images, rows, series and single pixels
    conv_case c = conv_case::random(random);
    c.geometry.out_channels = o;
    c.out_h = o % 4 == 0 ? 1 : 1 + o % 9;
    c.out_w = o % 4 <= 1 ? 1 : 1 + o % 15;
    c.fill(random);
    check_both<conv_variants>(c);
  }
  for (std::int32_t i = 1; i <= 30; ++i) {  // blocks of inputs, whole and in part
    conv_case c = conv_case::random(random);
    c.geometry.in_channels = 7 * i;
    c.geometry.dilation_w = 1 + i % 2;
    c.out_h = 1 + i % 3;
    c.out_w = 1 + i * 3 % 37;
    c.fill(random);
    check<conv_variants>(c);
  }
}

TEST_CASE("no convolution of nibbles touches a byte beside its buffers") {
  rng random(12);
  for (int i = 0; i < 40; ++i) {
    conv_case c = conv_case::random(random);
    const std::int32_t group = i % 2 == 0 ? 0 : 32;
    c.geometry.in_channels = 4 * (1 + i % 9);
    c.geometry.out_channels = 1 + i * 5 % 67;
    c.fill(random);
    const std::size_t depth = c.w8.size() / static_cast<std::size_t>(c.geometry.out_channels);
    const std::size_t runs = group == 0 ? 0 : (depth + 31) / 32;
    std::vector<std::uint8_t> scales(runs * static_cast<std::size_t>(c.geometry.out_channels));
    for (auto& s : scales) s = static_cast<std::uint8_t>(1 + random.below(16));
    for (std::size_t k = 0; k < c.w8.size(); ++k) {
      const int scale = group == 0 ? 16 : scales[k / depth * runs + k % depth / 32];
      c.w8[k] = static_cast<std::int8_t>((static_cast<int>(random.below(16)) - 8) * scale);
    }
    check<conv_s4_variants>(c, group, scales);
  }
}

TEST_CASE("no depthwise convolution touches a byte beside its buffers") {
  rng random(13);
  for (std::int32_t channels = 1; channels <= 140; channels += channels < 70 ? 1 : 7) {
    conv_case c = conv_case::random(random);
    c.depthwise = true;
    if (channels % 4 != 0) {
      c.geometry.kernel_h = c.geometry.kernel_w = 3;
      c.geometry.stride_h = c.geometry.stride_w = 1 + channels % 2;
      c.geometry.dilation_h = c.geometry.dilation_w = 1;
    }
    c.geometry.in_channels = c.geometry.out_channels = channels;
    c.fill(random);
    check_both<dw_variants>(c);
  }
}

TEST_CASE("no scaling touches a byte beside its buffers") {
  rng random(14);
  for (std::size_t n = 1; n <= 70; ++n)
    for (const fence side : sides) {
      const std::size_t padded = (n + 15) / 16 * 16;
      std::vector<std::int32_t> acc(n), bias(padded), multiplier(padded), shift(padded, 31);
      for (std::size_t o = 0; o < n; ++o) {
        acc[o] = static_cast<std::int32_t>(random.u32()) >> 8;
        multiplier[o] = static_cast<std::int32_t>((1u << 30) + random.below(1u << 30));
        shift[o] = static_cast<std::int32_t>(31 + random.below(32));
      }
      fenced_bytes a(acc, side), b(bias, side), m(multiplier, side), s(shift, side);
      conv_epilogue e{b.as<std::int32_t>(), m.as<std::int32_t>(), s.as<std::int32_t>(), nullptr, 7};
      std::vector<std::uint8_t> expected(n);
      requantize_u8(isa::generic, acc.data(), n, e, expected.data());
      requantize_variants::for_each([&]<class V>(std::type_identity<V>) {
        if (!has_isa(V::required)) return;
        CAPTURE(to_string(V::required));
        fenced_bytes y(n, side);
        V::run(a.as<std::int32_t>(), n, e, y.as<std::uint8_t>());
        CHECK(std::vector<std::uint8_t>(y.as<std::uint8_t>(), y.as<std::uint8_t>() + n) == expected);
      });
    }
}
