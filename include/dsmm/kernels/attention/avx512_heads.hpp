// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/attention/generic.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// How a head comes into dot products of four and out of sums, whatever multiplies.
struct avx512_heads {
  /// Keys less 128 as (panels of 16 keys, quads, 16, 4), channels behind the last and keys behind the last 0; and a
  /// bias per key, s32: -zp_q * sum_d (k - 128). quads  at least (channels of a head + 3) / 4.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pack_keys(const attention_call& call, std::int32_t head, std::size_t quads, std::byte* packed,
                        std::byte* biases) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth()), keys = static_cast<std::size_t>(call.keys());
    auto* const bias = reinterpret_cast<std::int32_t*>(biases);
    const __m512i zero = _mm512_set1_epi32(-call.factors.zero_q), ones = _mm512_set1_epi8(1);
    for (std::size_t panel = 0; panel < (keys + 15) / 16; ++panel) {
      std::byte* const to = packed + panel * quads * 64;
      for (std::size_t key = 0; key < 16; ++key) {
        const std::size_t j = panel * 16 + key;
        std::byte* const column = to + key * 4;
        if (j >= keys) {
          for (std::size_t q = 0; q < quads; ++q) std::memset(column + q * 64, 0, 4);
          continue;
        }
        const std::uint8_t* const from = call.k.at(static_cast<std::ptrdiff_t>(j), 0) + first;
        for (std::size_t q = 0; q < depth / 4; ++q) {
          std::uint32_t word;
          std::memcpy(&word, from + q * 4, 4);
          word ^= 0x8080'8080u;
          std::memcpy(column + q * 64, &word, 4);
        }
        for (std::size_t q = (depth + 3) / 4; q < quads; ++q) std::memset(column + q * 64, 0, 4);
        if (depth % 4 == 0) continue;
        std::uint32_t word = 0x8080'8080u;  // channels behind the last become 0
        std::memcpy(&word, from + depth / 4 * 4, depth % 4);
        word ^= 0x8080'8080u;
        std::memcpy(column + depth / 4 * 64, &word, 4);
      }
      __m512i sum = _mm512_setzero_si512();
      for (std::size_t q = 0; q < quads; ++q) sum = _mm512_dpbusd_epi32(sum, ones, _mm512_load_si512(to + q * 64));
      _mm512_store_si512(bias + panel * 16, _mm512_mullo_epi32(sum, zero));
    }
  }

  /// The channels of one head of one query.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void store(const attention_call& call, const std::int32_t* sums, std::size_t depth, std::uint8_t* y) noexcept {
    using scaled = requantize_impl::x86_avx512bw;
    const fixed_point value = call.factors.value;
    const auto f = requantize_impl::factors512::of(_mm512_set1_epi32(value.multiplier), _mm512_set1_epi32(value.shift));
    conv_epilogue e;
    e.zero_point = call.factors.zero_y;
    const auto clamp = requantize_impl::clamp512::of(e);
    for (std::size_t d = 0; d < depth; d += 16) {
      const auto mask = static_cast<__mmask16>(depth - d >= 16 ? 0xFFFF : (1u << (depth - d)) - 1);
      const __m512i v = scaled::scale(_mm512_load_si512(sums + d), f, clamp);
      _mm_mask_storeu_epi8(y + d, mask, _mm512_maskz_extracti32x4_epi32(0xF, scaled::narrow(v, v, v, v, clamp), 0));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
