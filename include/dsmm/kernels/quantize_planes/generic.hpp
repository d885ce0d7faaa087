// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/quantize.hpp"

namespace dsmm::inline DSMM_ABI::kernels::quantize_planes_impl {

/// Whether pixels lie side by side as dwords, or as three bytes each.
inline bool has_dwords(const tensor_view<std::uint8_t>& y) noexcept {
  return std::endian::native == std::endian::little && y.pixel == 4 && y.shape.c + padding_of(y.shape, y.pixel) == 4;
}
inline bool has_triples(const tensor_view<std::uint8_t>& y) noexcept { return y.pixel == 3 && y.shape.c == 3; }

/// The bytes of a dword that no channel owns.
inline std::uint32_t padding_bytes(std::int32_t channels, std::int32_t zero_point) noexcept {
  std::uint32_t fill = 0;
  for (std::int32_t c = channels; c < 4; ++c) fill |= static_cast<std::uint32_t>(zero_point) << 8 * c;
  return fill;
}

/// The specification; compiled for AVX2 as well. A run of pixels is quantized plane by plane, then put together.
struct generic {
  static constexpr isa required = isa::generic;

  static void rows(const float* x, const float* scale, const float* offset, const tensor_view<std::uint8_t>& to,
                   std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
    with_avx2([ =, y = to ]<class M>(M) __attribute__((always_inline)) {
      const std::ptrdiff_t plane = std::ptrdiff_t{y.shape.h} * y.shape.w;
      const bool dwords = has_dwords(y), triples = has_triples(y);
      const std::uint32_t fill = padding_bytes(y.shape.c, zero_point);
      alignas(64) std::uint8_t bytes[4][run] = {};
      for (std::int32_t row = y_begin; row < y_end; ++row)
        for (std::int32_t col = 0; col < y.shape.w; col += run) {
          const float* const from = x + std::ptrdiff_t{row} * y.shape.w + col;
          std::uint8_t* const out = y.at(row, col);
          const std::int32_t pixels = std::min(run, y.shape.w - col);
          for (std::int32_t c = 0; c < y.shape.c; ++c) {
            one_plane<M>(from + c * plane, scale[c], offset[c], zero_point, pixels, bytes[c % 4]);
            if (dwords || triples) continue;
            for (std::int32_t i = 0; i < pixels; ++i) out[i * y.pixel + c] = bytes[c % 4][i];
          }
          if (dwords) put_dwords(bytes, fill, out, pixels);
          else if (triples) put_triples(bytes, out, pixels);
          else
            for (std::int32_t i = 0; i < pixels; ++i) pad_channels(y, out + i * y.pixel, zero_point);
        }
    });
  }

private:
  static constexpr std::int32_t run = 64;

  template <class M>
  [[gnu::always_inline]] static inline void one_plane(const float* x, float scale, float offset,
                                                      std::int32_t zero_point, std::int32_t pixels,
                                                      std::uint8_t* to) noexcept {
    if (pixels == run)  // a constant count, which compilers turn into vectors alone
      for (std::int32_t i = 0; i < run; ++i) to[i] = round_to_u8(fma<M>(x[i], scale, offset), zero_point);
    else
      for (std::int32_t i = 0; i < pixels; ++i) to[i] = round_to_u8(fma<M>(x[i], scale, offset), zero_point);
  }

  [[gnu::always_inline]] static inline void put_dwords(const std::uint8_t (*bytes)[run], std::uint32_t fill,
                                                       std::uint8_t* y, std::int32_t pixels) noexcept {
    std::uint32_t dwords[run];
    for (std::int32_t i = 0; i < run; ++i)
      dwords[i] = static_cast<std::uint32_t>(bytes[0][i]) | static_cast<std::uint32_t>(bytes[1][i]) << 8 |
                  static_cast<std::uint32_t>(bytes[2][i]) << 16 | static_cast<std::uint32_t>(bytes[3][i]) << 24 | fill;
    std::memcpy(y, dwords, static_cast<std::size_t>(pixels) * 4);
  }

  [[gnu::always_inline]] static inline void put_triples(const std::uint8_t (*bytes)[run], std::uint8_t* y,
                                                        std::int32_t pixels) noexcept {
    std::uint8_t triples[3 * run];
    for (std::int32_t i = 0; i < run; ++i)
      triples[3 * i] = bytes[0][i], triples[3 * i + 1] = bytes[1][i], triples[3 * i + 2] = bytes[2][i];
    std::memcpy(y, triples, static_cast<std::size_t>(pixels) * 3);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::quantize_planes_impl
