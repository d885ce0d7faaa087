// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/attention/avx2_levels.hpp"
#include "dsmm/kernels/attention/generic.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/requantize/x86_avx2.hpp"
#include "dsmm/kernels/softmax_int.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// Four queries at once, products in s16 by vpmaddwd: pairs of channels for scores, pairs of keys for values.
struct x86_avx2 {
  static constexpr isa required = isa::x86_avx2;

  /// No relative positions, a factor whose rounding is a multiple of 2^32, and enough queries that packing pays.
  static bool takes(const attention_call& call) noexcept {
    const attention_factors& f = call.factors;
    return f.r == nullptr && f.rb == nullptr && (f.rounds() || f.score.shift >= 33) && call.queries() >= rows_at_once;
  }

  static std::size_t packed_bytes(const attention_call& call) noexcept {
    return sizes(call).head * static_cast<std::size_t>(call.factors.heads);
  }
  static std::size_t scratch_bytes(const attention_call& call) noexcept {
    const layout s = sizes(call);
    return rows_at_once * (s.key_run * 6 + s.values * 4 + s.pairs_of_channels * 4);
  }

  static void pack(const attention_call& call, std::int32_t head, std::byte* packed) noexcept {
    const layout s = sizes(call);
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth()), keys = static_cast<std::size_t>(call.keys());
    packed += static_cast<std::size_t>(head) * s.head;
    std::memset(packed, 0, s.head);
    auto* const k = reinterpret_cast<std::int16_t*>(packed);                // (panels of 16, pairs of channels, 16, 2)
    auto* const v = reinterpret_cast<std::int16_t*>(packed + s.values_at);  // (pairs of keys, values, 2)
    for (std::size_t j = 0; j < keys; ++j) {
      const std::uint8_t* const key = call.k.at(static_cast<std::ptrdiff_t>(j), 0) + first;
      const std::uint8_t* const value = call.v.at(static_cast<std::ptrdiff_t>(j), 0) + first;
      std::int16_t* const column = k + j / 16 * s.pairs_of_channels * 32 + j % 16 * 2;
      for (std::size_t d = 0; d < depth; ++d)
        column[d / 2 * 32 + d % 2] = static_cast<std::int16_t>(key[d] - call.factors.zero_k);
      std::int16_t* const row = v + j / 2 * s.values * 2 + j % 2;
      for (std::size_t d = 0; d < depth; ++d) row[d * 2] = static_cast<std::int16_t>(value[d] - call.factors.zero_v);
    }
  }

  DSMM_TARGET("avx2")
  static void rows(const attention_call& call, std::int32_t head, std::int32_t begin, std::int32_t end,
                   const std::byte* packed, std::byte* scratch) noexcept {
    const layout s = sizes(call);
    packed += static_cast<std::size_t>(head) * s.head;
    for (std::int32_t i = begin; i < end; i += rows_at_once) block(call, head, i, end, s, packed, scratch);
  }

private:
  static constexpr std::int32_t rows_at_once = 4;

  struct layout {
    std::size_t pairs_of_channels;
    std::size_t key_run;          ///< keys rounded up to 16, the reach of a row of scores
    std::size_t values;           ///< channels of a head rounded up to 16
    std::size_t values_at, head;  ///< bytes
  };

  static layout sizes(const attention_call& call) noexcept {
    const auto keys = static_cast<std::size_t>(call.keys()), depth = static_cast<std::size_t>(call.head_depth());
    layout s{};
    s.pairs_of_channels = (depth + 1) / 2;
    s.key_run = round_up(keys, 16);
    s.values = round_up(depth, 16);
    s.values_at = s.key_run * s.pairs_of_channels * 4;
    s.head = s.values_at + (keys + 1) / 2 * s.values * 4;
    return s;
  }

  /// Queries i .. i + 3, those from `end` on again the last one, unstored.
  DSMM_TARGET("avx2")
  static void block(const attention_call& call, std::int32_t head, std::int32_t i, std::int32_t end, const layout& s,
                    const std::byte* packed, std::byte* scratch) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth());
    auto* const scores = reinterpret_cast<std::int32_t*>(scratch);                        // (4, key_run)
    auto* const p = reinterpret_cast<std::int16_t*>(scores + rows_at_once * s.key_run);   // (4, key_run)
    auto* const sums = reinterpret_cast<std::int32_t*>(p + rows_at_once * s.key_run);     // (4, values)
    auto* const query = reinterpret_cast<std::int16_t*>(sums + rows_at_once * s.values);  // (4, pairs of channels, 2)
    std::int32_t most = 0;                                                                // keys that any of them sees
    for (std::int32_t r = 0; r < rows_at_once; ++r) {
      const std::int32_t at = std::min(i + r, end - 1);
      std::int16_t* const row = query + static_cast<std::size_t>(r) * s.pairs_of_channels * 2;
      const std::uint8_t* const from = call.q.at(at, 0) + first;
      row[s.pairs_of_channels * 2 - 1] = 0;
      for (std::size_t d = 0; d < depth; ++d) row[d] = static_cast<std::int16_t>(from[d] - call.factors.zero_q);
      most = std::max(most, call.keys_of(at));
    }
    const auto* const k = reinterpret_cast<const std::int16_t*>(packed);
    for (std::size_t j = 0; j < static_cast<std::size_t>(most); j += 16)
      tile(query, s.pairs_of_channels * 2, k + j * s.pairs_of_channels * 2, 32, s.pairs_of_channels, scores + j,
           s.key_run);
    const std::size_t pairs = (static_cast<std::size_t>(most) + 1) / 2;
    for (std::int32_t r = 0; r < rows_at_once; ++r) {
      const auto row = static_cast<std::size_t>(r) * s.key_run;
      const std::int32_t at = std::min(i + r, end - 1);
      const auto keys = static_cast<std::size_t>(call.keys_of(at));
      if (const std::int32_t* const more = call.bias_row(head, at))
        for (std::size_t j = 0; j < keys; ++j) scores[row + j] += more[j];
      if (call.factors.rounds()) avx2_softmax_rounded(scores + row, keys, pairs * 2, call.factors.levels, p + row);
      else softmax(scores + row, keys, pairs * 2, call.factors.score, p + row);
    }
    const auto* const v = reinterpret_cast<const std::int16_t*>(packed + s.values_at);
    for (std::size_t d = 0; d < s.values; d += 16)
      tile(p, s.key_run, v + d * 2, s.values * 2, pairs, sums + d, s.values);
    for (std::int32_t r = 0; r < rows_at_once && i + r < end; ++r) {
      store(call, sums + static_cast<std::size_t>(r) * s.values, depth, call.y.at(i + r, 0) + first);
      if (head + 1 == call.factors.heads) pad_channels(call.y, call.y.at(i + r, 0), call.factors.zero_y);
    }
  }

  /// to[r][c] = sum over pairs of a[r][2 * pair .. + 1] * b[pair][c][..], r < 4, c < 16.
  DSMM_TARGET("avx2")
  static void tile(const std::int16_t* a, std::size_t a_row, const std::int16_t* b, std::size_t b_step,
                   std::size_t pairs, std::int32_t* to, std::size_t to_row) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    __m256i a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
    for (std::size_t n = 0; n < pairs; ++n, a += 2, b += b_step) {
      const __m256i w0 = load(b), w1 = load(b + 16);
      add(a0, a1, a, w0, w1);
      add(b0, b1, a + a_row, w0, w1);
      add(c0, c1, a + 2 * a_row, w0, w1);
      add(d0, d1, a + 3 * a_row, w0, w1);
    }
    put(to, a0, a1);
    put(to + to_row, b0, b1);
    put(to + 2 * to_row, c0, c1);
    put(to + 3 * to_row, d0, d1);
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void add(__m256i& s0, __m256i& s1, const std::int16_t* x, __m256i w0,
                                                        __m256i w1) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    const __m256i pair = _mm256_set1_epi32(v);
    s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(pair, w0));
    s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(pair, w1));
  }
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i load(const void* x) noexcept {
    return _mm256_loadu_si256(static_cast<const __m256i*>(x));
  }
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline void put(std::int32_t* to, __m256i low, __m256i high) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 8), high);
  }

  /// softmax_q14(), the same integers; the table is read entry by entry. p is 0 from n to `filled`.
  DSMM_TARGET("avx2")
  static void softmax(std::int32_t* scores, std::size_t n, std::size_t filled, fixed_point factor,
                      std::int16_t* p) noexcept {
    if (n == 0) {
      std::memset(p, 0, filled * sizeof *p);
      return;
    }
    const std::int32_t top = *std::max_element(scores, scores + n);
    const __m256i tops = _mm256_set1_epi32(top), most = _mm256_set1_epi32((1 << 26) - 1);
    const __m256i multiplier = _mm256_set1_epi64x(factor.multiplier);
    const __m256i rounding = _mm256_set1_epi32(static_cast<std::int32_t>(std::uint32_t{1} << (factor.shift - 33)));
    const __m128i shift = _mm_cvtsi32_si128(factor.shift - 32);
    for (std::size_t j = 0; j < n; j += 8) {
      const __m256i below = _mm256_min_epu32(_mm256_sub_epi32(tops, load(scores + j)), most);
      const __m256i high = upper(_mm256_slli_epi32(below, 4), multiplier, _mm256_setzero_si256());
      const __m256i t = _mm256_srl_epi32(_mm256_add_epi32(high, rounding), shift);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(scores + j), t);
    }
    std::uint64_t sum = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const std::uint32_t e = exp2_q16(scores[j]);
      scores[j] = static_cast<std::int32_t>(e);
      sum += e;
    }
    std::fill(scores + n, scores + round_up(n, 8), 0);
    const __m256i inverse = _mm256_set1_epi64x(static_cast<std::int64_t>((std::uint64_t{1} << 46) / sum));
    const __m256i half = _mm256_set1_epi64x(std::int64_t{1} << 31);
    for (std::size_t j = 0; j < n; j += 8) {
      const __m256i high = upper(load(scores + j), inverse, half);
      const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p + j), words);
    }
    for (std::size_t j = round_up(n, 8); j < filled; ++j) p[j] = 0;
  }

  /// Upper halves of x * by + add, u32 lanes.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i upper(__m256i x, __m256i by, __m256i plus) noexcept {
    const __m256i even = _mm256_add_epi64(_mm256_mul_epu32(x, by), plus);
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), by), plus);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  }

  /// The channels of one head of one query.
  DSMM_TARGET("avx2")
  static void store(const attention_call& call, const std::int32_t* sums, std::size_t depth, std::uint8_t* y) noexcept {
    using scaled = requantize_impl::x86_avx2;
    std::int32_t multiplier[8], shift[8];
    std::fill_n(multiplier, 8, call.factors.value.multiplier);
    std::fill_n(shift, 8, call.factors.value.shift);
    const auto f = requantize_impl::factors256::of(multiplier, shift);
    conv_epilogue e;
    e.zero_point = call.factors.zero_y;
    for (std::size_t d = 0; d < depth; d += 16) {
      const __m128i bytes = scaled::narrow(scaled::scale(load(sums + d), f), scaled::scale(load(sums + d + 8), f), e);
      if (depth - d >= 16) _mm_storeu_si128(reinterpret_cast<__m128i*>(y + d), bytes);
      else std::memcpy(y + d, &bytes, depth - d);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
