// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Whether weights in I4S groups of `group` can stay nibbles: a quad must not have two scales, and kernels that add
/// eight products in s16 want whole groups of eight quads.
constexpr bool nibbles_fit(const conv_geometry& g, std::int32_t group) noexcept {
  return group == 0 || (g.in_channels % 4 == 0 && group % 32 == 0);
}

namespace conv_u8s4_impl {

/// The convolution of conv_u8s8 with weights of (nibble of -8 .. 7) * scale, the nibbles unpacked at every use. The
/// bits are those of the expanded weights. conv_weights::w8 must be multiples of their scale, nibbles_fit() true.
/// Weights: (O, quads, 2) bytes, even values in the lower half, two's complement; then scales (O, quads).
struct generic {
  static constexpr isa required = isa::generic;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t) noexcept {
    return static_cast<std::size_t>(g.out_channels) * static_cast<std::size_t>(g.quads()) * 3;
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* nibbles = reinterpret_cast<std::uint8_t*>(memory);
    std::uint8_t* scales = nibbles + std::ptrdiff_t{g.out_channels} * g.quads() * 2;
    p.weights = reinterpret_cast<const std::int8_t*>(memory);
    const std::int32_t taps = g.kernel_h * g.kernel_w, depth = taps * g.in_channels;
    const std::int32_t segments = from.group == 0 ? 1 : (depth + from.group - 1) / from.group;
    for (std::int32_t o = 0; o < g.out_channels; ++o)
      for (std::int32_t t = 0; t < taps; ++t)
        for (std::int32_t i = 0; i < g.in_channels_padded; i += 4) {
          const std::int32_t k = t * g.in_channels + i;
          const int scale = from.group == 0 ? 16 : from.scales[o * segments + k / from.group];
          *scales++ = static_cast<std::uint8_t>(scale);
          int n[4] = {};
          for (std::int32_t j = 0; j < 4 && i + j < g.in_channels; ++j)
            n[j] = from.w8[std::ptrdiff_t{o} * depth + k + j] / scale;
          *nibbles++ = static_cast<std::uint8_t>((n[0] & 15) | (n[1] & 15) << 4);
          *nibbles++ = static_cast<std::uint8_t>((n[2] & 15) | (n[3] & 15) << 4);
        }
  }

  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    plain_rows(p, e, y, y_begin, y_end,
               [&](std::int32_t oy, std::int32_t ox, std::int32_t o) { return dot(p, x, oy, ox, o); });
  }

  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    plain_rows(p, e, y, y_begin, y_end,
               [&](std::int32_t oy, std::int32_t ox, std::int32_t o) { return dot(p, x, oy, ox, o); });
  }

private:
  static std::int32_t dot(const conv_packed& p, const conv_input& x, std::int32_t oy, std::int32_t ox,
                          std::int32_t o) noexcept {
    const conv_geometry& g = p.geometry;
    const std::uint8_t* const first = x.at(std::ptrdiff_t{oy} * g.stride_h, std::ptrdiff_t{ox} * g.stride_w);
    const std::ptrdiff_t quads = g.quads();
    const auto* const nibbles = reinterpret_cast<const std::uint8_t*>(p.weights) + o * quads * 2;
    const auto* const scales =
        reinterpret_cast<const std::uint8_t*>(p.weights) + g.out_channels * quads * 2 + o * quads;
    std::uint32_t sum = 0;
    for (std::ptrdiff_t q = 0; q < quads; ++q) {
      const std::uint8_t* const a = first + p.offsets[q];
      const std::int32_t products = a[0] * low(nibbles[2 * q]) + a[1] * high(nibbles[2 * q]) +
                                    a[2] * low(nibbles[2 * q + 1]) + a[3] * high(nibbles[2 * q + 1]);
      sum += static_cast<std::uint32_t>(products * scales[q]);
    }
    return static_cast<std::int32_t>(sum);
  }
  static constexpr int low(std::uint8_t pair) noexcept { return ((pair & 15) ^ 8) - 8; }
  static constexpr int high(std::uint8_t pair) noexcept { return (pair >> 4 ^ 8) - 8; }
};

}  // namespace conv_u8s4_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
