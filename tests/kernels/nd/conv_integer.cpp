// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/conv_integer.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <string>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

struct shape {
  std::int64_t batch, in, out, groups, h, w, kh, kw, sh, sw, dh, dw, ph, pw;

  std::int64_t out_h() const { return (h + 2 * ph - (kh - 1) * dh - 1) / sh + 1; }
  std::int64_t out_w() const { return (w + 2 * pw - (kw - 1) * dw - 1) / sw + 1; }
  std::vector<std::int32_t> attributes(bool relu) const {
    const auto s = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
    return {s(groups), 2, relu ? 1 : 0, 0, 0, s(sh), s(sw), 1, s(dh), s(dw), 1, s(ph), s(pw), 0, s(ph), s(pw), 0};
  }
};

template <class T>
tensor<T> bytes(std::initializer_list<std::int64_t> dims, std::uint64_t seed) {
  tensor<T> t(dims);
  dsmm::rng numbers(seed);
  for (T& v : t.values()) v = static_cast<T>(numbers.below(256));
  return t;
}

std::vector<std::uint32_t> bits_of(const tensor<float>& t) {
  std::vector<std::uint32_t> out;
  for (const float v : t.values()) out.push_back(std::bit_cast<std::uint32_t>(v));
  return out;
}

/// centred: weights have no zero point after the move to s8.
template <class X, class W>
void check(const shape& s, bool centred, bool real) {
  const auto x = bytes<X>({s.batch, s.in, s.h, s.w}, 1), zx = bytes<X>({}, 2);
  const auto w = bytes<W>({s.out, s.in / s.groups, s.kh, s.kw}, 3);
  auto zw = bytes<W>({s.out}, 4);
  if (centred) std::fill(zw.values().begin(), zw.values().end(), static_cast<W>(std::is_signed_v<W> ? 0 : 128));
  const auto scale = tensor<float>::random({}, 5, 0.001f, 0.02f), bias = tensor<float>::random({s.out}, 6);
  const nd::view none;
  tensor<float> expected({s.batch, s.out, s.out_h(), s.out_w()});
  std::size_t at = 0;
  const std::int64_t each = s.in / s.groups, out_each = s.out / s.groups;
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t o = 0; o < s.out; ++o)
      for (std::int64_t oh = 0; oh < s.out_h(); ++oh)
        for (std::int64_t ow = 0; ow < s.out_w(); ++ow) {
          std::int32_t sum = 0;
          for (std::int64_t i = 0; i < each; ++i)
            for (std::int64_t kh = 0; kh < s.kh; ++kh)
              for (std::int64_t kw = 0; kw < s.kw; ++kw) {
                const std::int64_t ih = oh * s.sh + kh * s.dh - s.ph, iw = ow * s.sw + kw * s.dw - s.pw;
                if (ih < 0 || iw < 0 || ih >= s.h || iw >= s.w) continue;
                sum += (x[static_cast<std::size_t>(((n * s.in + o / out_each * each + i) * s.h + ih) * s.w + iw)] -
                        zx[0]) *
                       (w[static_cast<std::size_t>(((o * each + i) * s.kh + kh) * s.kw + kw)] -
                        zw[static_cast<std::size_t>(o)]);
              }
          float v = std::bit_cast<float>(sum);
          if (real) {
            v = static_cast<float>(sum) * scale[0];
            v += bias[static_cast<std::size_t>(o)];
            v = v > 0.0f ? v : 0.0f;
          }
          expected.values()[at++] = v;
        }
  const nd::view &a = real ? scale.view() : none, &b = real ? bias.view() : none;
  for (const auto& set : dsmm::isa_rows) {
    if (!set.here()) continue;
    CAPTURE(set.name);
    for (const unsigned width : {1u, 3u}) {
      dsmm::thread_pool pool(width);
      tensor<float> y({s.batch, s.out, s.out_h(), s.out_w()});
      CHECK(nd_case::run_packed(nd::nd_conv_integer, nd::nd_conv_integer_packed_bytes, nd::nd_conv_integer_pack,
                                nd::nd_conv_integer_pack_scratch, {x.view(), w.view(), zx.view(), zw.view(), a, b},
                                {y.view()}, s.attributes(real), nd::nd_conv_integer_scratch, set.id, pool.handle()));
      CHECK(bits_of(y) == bits_of(expected));
    }
  }
  tensor<float> y({s.batch, s.out, s.out_h(), s.out_w()});
  nd_case::run(nd::nd_conv_integer, {x.view(), w.view(), zx.view(), zw.view(), a, b}, {y.view()}, s.attributes(real));
  CHECK(bits_of(y) == bits_of(expected));
}

}  // namespace

TEST_CASE("nd_conv_integer: packed and plain give the exact sums, and the scaled ones, of all signs and zero points") {
  const shape shapes[] = {
      {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},       // one product
      {2, 3, 20, 1, 9, 11, 3, 3, 2, 2, 1, 1, 1, 1},     // merged rows of taps
      {1, 5, 17, 1, 8, 30, 1, 5, 1, 2, 1, 1, 0, 2},     // one row of them
      {1, 16, 33, 1, 7, 19, 3, 3, 1, 1, 2, 2, 2, 2},    // dilated
      {1, 21, 50, 1, 13, 17, 1, 1, 1, 1, 1, 1, 0, 0},   // 1x1: one line of pixels
      {1, 12, 10, 2, 6, 18, 3, 2, 2, 1, 1, 1, 1, 1},    // groups
      {2, 37, 37, 37, 10, 21, 3, 3, 2, 1, 1, 1, 1, 1},  // depthwise
      {1, 6, 12, 6, 9, 9, 3, 3, 1, 1, 1, 1, 1, 1},      // two outputs to each channel
      {1, 40, 7, 1, 5, 5, 5, 5, 1, 1, 1, 1, 4, 4},      // more padding than picture
      {1, 4, 5, 1, 10, 10, 2, 2, 4, 4, 1, 1, 0, 0},     // strides beyond the kernel leave the end unread
      {1, 8, 1200, 1, 12, 70, 1, 1, 1, 1, 1, 1, 0, 0},  // several blocks
      {1, 3, 1100, 1, 9, 131, 2, 3, 1, 2, 1, 1, 0, 1},  // several blocks to a row
  };
  for (const shape& s : shapes)
    for (const bool centred : {true, false})
      for (const bool real : {false, true}) {
        CAPTURE(&s - shapes);
        CAPTURE(centred);
        CAPTURE(real);
        check<std::uint8_t, std::int8_t>(s, centred, real);
        check<std::int8_t, std::uint8_t>(s, centred, real);
        if (s.out > 1000) continue;  // the rest of the signs on what is quick
        check<std::uint8_t, std::uint8_t>(s, centred, real);
        check<std::int8_t, std::int8_t>(s, centred, real);
      }
}

TEST_CASE("nd_conv_integer: three axes run output by output") {
  const auto x = bytes<std::uint8_t>({1, 1, 2, 2, 2}, 1), w = bytes<std::uint8_t>({1, 1, 2, 2, 2}, 2);
  tensor<std::int32_t> y({1, 1, 1, 1, 1});
  nd_case::run(nd::nd_conv_integer, {x.view(), w.view()}, {y.view()},
               {1, 3, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0});
  int sum = 0;
  for (std::size_t i = 0; i < 8; ++i) sum += x[i] * w[i];
  CHECK(y[0] == sum);
  nd::call c;
  const std::int32_t attributes[] = {1, 3, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
  c.in[0] = x.view(), c.in[1] = w.view(), c.out[0] = y.view(), c.attributes = attributes;
  CHECK(nd::nd_conv_integer_packed_bytes(c) == 0);
}
