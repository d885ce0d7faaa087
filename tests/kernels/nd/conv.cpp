// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/conv.hpp"

#include <doctest/doctest.h>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

struct geometry {
  std::int32_t batch, group, in, out, height, width, kernel, stride, dilation, pad_begin, pad_end;

  std::int64_t size(std::int32_t n) const {
    return (n + pad_begin + pad_end - (kernel - 1) * dilation - 1) / stride + 1;
  }
};

/// One chain per output, channel by channel, tap by tap; padding adds a product with zero.
std::vector<float> reference(const geometry& g, const tensor<float>& x, const tensor<float>& w,
                             const tensor<float>& bias, const tensor<float>& residual, bool relu) {
  std::vector<float> y;
  const std::int64_t per_in = g.in / g.group, per_out = g.out / g.group;
  for (std::int64_t n = 0; n < g.batch; ++n)
    for (std::int64_t o = 0; o < g.out; ++o)
      for (std::int64_t oh = 0; oh < g.size(g.height); ++oh)
        for (std::int64_t ow = 0; ow < g.size(g.width); ++ow) {
          float sum = 0.0f;
          for (std::int64_t i = 0; i < per_in; ++i)
            for (std::int64_t kh = 0; kh < g.kernel; ++kh)
              for (std::int64_t kw = 0; kw < g.kernel; ++kw) {
                const std::int64_t h = oh * g.stride + kh * g.dilation - g.pad_begin;
                const std::int64_t v = ow * g.stride + kw * g.dilation - g.pad_begin;
                const bool inside = h >= 0 && h < g.height && v >= 0 && v < g.width;
                const std::int64_t channel = n * g.in + o / per_out * per_in + i;
                const float sample =
                    inside ? x[static_cast<std::size_t>((channel * g.height + h) * g.width + v)] : 0.0f;
                const float weight = w[static_cast<std::size_t>(((o * per_in + i) * g.kernel + kh) * g.kernel + kw)];
                sum = __builtin_fmaf(weight, sample, sum);
              }
          sum = sum + bias[static_cast<std::size_t>(o)];
          sum += residual[y.size()];
          y.push_back(relu && sum <= 0.0f ? 0.0f : sum);
        }
  return y;
}

}  // namespace

TEST_CASE("nd_conv: every variant and thread count equals the plain loop") {
  const geometry cases[] = {
      {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},    {2, 1, 3, 5, 7, 9, 3, 1, 1, 1, 1},   {1, 1, 3, 17, 13, 11, 3, 2, 1, 1, 1},
      {1, 2, 6, 10, 9, 9, 3, 1, 2, 2, 2},   {1, 6, 6, 6, 10, 12, 3, 1, 1, 1, 1}, {1, 6, 6, 12, 10, 12, 5, 2, 1, 2, 1},
      {1, 3, 3, 3, 5, 90, 3, 1, 1, 1, 1},   {2, 3, 3, 3, 9, 131, 3, 2, 1, 1, 1}, {1, 2, 2, 2, 5, 60, 3, 3, 2, 2, 2},

      {1, 1, 40, 33, 6, 11, 3, 1, 1, 1, 0}, {1, 1, 70, 31, 8, 8, 1, 1, 1, 0, 0}, {1, 1, 16, 30, 9, 9, 1, 2, 1, 0, 0},
      {1, 1, 3, 16, 20, 35, 7, 2, 1, 3, 3}, {1, 1, 300, 3, 3, 3, 3, 1, 1, 1, 1}, {3, 4, 8, 16, 5, 5, 2, 2, 1, 0, 1},
  };
  for (const geometry& g : cases)
    for (const bool relu : {false, true}) {
      CAPTURE(g.out);
      CAPTURE(relu);
      const auto x = tensor<float>::random({g.batch, g.in, g.height, g.width}, 1);
      const auto w = tensor<float>::random({g.out, g.in / g.group, g.kernel, g.kernel}, 2);
      const auto bias = tensor<float>::random({g.out}, 3);
      const auto residual = tensor<float>::random({g.batch, g.out, g.size(g.height), g.size(g.width)}, 4);
      const std::vector<float> expected = reference(g, x, w, bias, residual, relu);
      const std::vector<std::int32_t> attributes = {g.group,     2, relu ? 1 : 0, 0,          0, g.stride,
                                                    g.stride,    1, g.dilation,   g.dilation, 1, g.pad_begin,
                                                    g.pad_begin, 0, g.pad_end,    g.pad_end,  0};
      for (const auto& [level, name, below, here] : dsmm::isa_rows) {
        if (!here()) continue;
        for (const unsigned width : {1u, 3u}) {
          dsmm::thread_pool pool(width);
          tensor<float> y({g.batch, g.out, g.size(g.height), g.size(g.width)});
          nd_case::run(nd::nd_conv, {x.view(), w.view(), bias.view(), residual.view()}, {y.view()}, attributes,
                       nd::nd_conv_scratch, level, pool.handle());
          CHECK_MESSAGE(y.values() == expected, name);
        }
      }
    }
}
