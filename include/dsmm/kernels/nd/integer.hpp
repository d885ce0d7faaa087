// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/matmul.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/reduce.hpp"

/// Products of 8-bit integers with zero points, and of floats with weights of few bits.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace integer_impl {

inline std::int32_t load(const view& x, std::int64_t i) noexcept {
  return x.type == dtype::s8 ? x.as<const std::int8_t>()[i] : x.as<const std::uint8_t>()[i];
}
/// A zero point of one element, or of one for each index.
inline std::int32_t zero_at(const view& zero, std::int64_t i) noexcept {
  return zero ? load(zero, zero.count() == 1 ? 0 : i) : 0;
}

}  // namespace integer_impl

/// Inputs: a (.., M, K), b (.., K, N), zero points of a (one or M) and b (one or N). s32, exact.
inline void nd_matmul_integer(const call& c) noexcept {
  const matmul_impl::matrix a(c.in[0], false), b(c.in[1], false);
  const view& y = c.out[0];
  const std::int64_t m = a.rows, n = b.columns, k = a.columns;
  for_runs(c.exec, matmul_impl::batches(y) * m, row_grain(n * k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t left = matmul_impl::batch_offset(c.in[0], y, r / m) + r % m * k;
      const std::int64_t right = matmul_impl::batch_offset(c.in[1], y, r / m);
      const std::int32_t zero = integer_impl::zero_at(c.in[2], r % m);
      std::int32_t* const out = y.as<std::int32_t>() + r * n;
      std::fill_n(out, n, 0);
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int32_t factor = integer_impl::load(c.in[0], left + i) - zero;
        for (std::int64_t j = 0; j < n; ++j)
          out[j] += factor * (integer_impl::load(c.in[1], right + i * n + j) - integer_impl::zero_at(c.in[3], j));
      }
    }
  });
}

/// Attributes as nd_conv, no activation. Inputs: x, w, zero points of x (one) and w (one, or one per output channel).
/// Padding is the zero point. s32, exact.
inline void nd_conv_integer(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  const window_shape& g = s.window;
  const std::int64_t channels = s.groups * s.out_channels, outputs = g.outputs(), taps = g.taps();
  const std::int32_t zero = integer_impl::zero_at(c.in[2], 0);
  for_runs(c.exec, s.batch * channels, row_grain(outputs * s.depth()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t channel = p % channels,
                         first = (p / channels * s.groups + channel / s.out_channels) * s.in_channels;
      const std::int32_t w_zero = integer_impl::zero_at(c.in[3], channel);
      for (std::int64_t o = 0; o < outputs; ++o) {
        const std::int64_t ow = o % g.out[2], oh = o / g.out[2] % g.out[1], od = o / (g.out[2] * g.out[1]);
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < taps; ++k) {
          const std::int64_t w = ow * g.stride[2] + k % g.kernel[2] * g.dilation[2] - g.pad[2];
          const std::int64_t h = oh * g.stride[1] + k / g.kernel[2] % g.kernel[1] * g.dilation[1] - g.pad[1];
          const std::int64_t d = od * g.stride[0] + k / (g.kernel[2] * g.kernel[1]) * g.dilation[0] - g.pad[0];
          if (w < 0 || h < 0 || d < 0 || w >= g.in[2] || h >= g.in[1] || d >= g.in[0]) continue;
          for (std::int64_t i = 0; i < s.in_channels; ++i)
            sum += (integer_impl::load(c.in[0], ((first + i) * g.in[0] + d) * g.in[1] * g.in[2] + h * g.in[2] + w) -
                    zero) *
                   (integer_impl::load(c.in[1], (channel * s.in_channels + i) * taps + k) - w_zero);
        }
        c.out[0].as<std::int32_t>()[p * outputs + o] = sum;
      }
    }
  });
}

/// Attributes: k, n, bits, block. Inputs: a (.., K), b (N, blocks, bytes), scales (N, blocks), zero points (u8 packed
/// like b, row by row, or of a's type; absent: the middle), block of each k, bias (N).
/// y = sum over k of a * ((q - zero) * scale) in 64 lanes, + bias.
inline void nd_matmul_nbits(const call& c) noexcept {
  const view &a = c.in[0], &b = c.in[1], &scales = c.in[2], &zeros = c.in[3], &blocks_of = c.in[4], &bias = c.in[5];
  const std::int64_t k = c.attribute(0), n = c.attribute(1), bits = c.attribute(2), block = c.attribute(3);
  const std::int64_t blocks = (k + block - 1) / block, row_bytes = blocks * (block * bits / 8);
  const std::int64_t zero_bytes = (blocks * bits + 7) / 8, rows = a.count() / k;
  const auto mask = static_cast<std::uint32_t>((1 << bits) - 1);
  const auto field = [&](const std::uint8_t* row, std::int64_t i) {
    return static_cast<float>(static_cast<std::uint32_t>(row[i * bits / 8]) >> (i * bits % 8) & mask);
  };
  for_runs(c.exec, n, row_grain(k * rows), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j)
      for (std::int64_t r = 0; r < rows; ++r) {
        lane_sum lanes;
        float weights[64];
        for (std::int64_t at = 0; at < k; at += 64) {
          const std::int64_t count = std::min<std::int64_t>(64, k - at);
          for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t own = (at + i) / block;
            const std::int64_t g =
                blocks_of ? std::clamp<std::int64_t>(blocks_of.as<const std::int32_t>()[at + i], 0, blocks - 1) : own;
            float zero = static_cast<float>(1 << (bits - 1));
            if (zeros)
              zero = zeros.type == dtype::u8 ? field(zeros.as<const std::uint8_t>() + j * zero_bytes, g)
                                             : zeros.as<const float>()[j * blocks + g];
            weights[i] = (field(b.as<const std::uint8_t>() + j * row_bytes, at + i) - zero) *
                         scales.as<const float>()[j * blocks + g];
          }
          const float* const x = a.as<const float>() + r * k + at;
          lanes.add(static_cast<std::size_t>(count),
                    [&](float sum, std::size_t i) { return fma(x[i], weights[i], sum); });
        }
        const float sum = lanes.total();
        c.out[0].as<float>()[r * n + j] = bias ? sum + bias.as<const float>()[j] : sum;
      }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
