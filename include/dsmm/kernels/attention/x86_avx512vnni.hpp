// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/attention/avx512_levels.hpp"
#include "dsmm/kernels/attention/avx512_softmax.hpp"
#include "dsmm/kernels/attention/generic.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// Six queries at once. Scores come from vpdpbusd over k - 128, so that zp_k and the 128 change all scores of a query
/// alike, which a softmax does not see unless scores are rounded first: what is left of the zero points is
/// -zp_q * sum_d (k - 128), a bias per key.
/// Probabilities and values meet in vpdpwssd, pairs of keys.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

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
    return rows_at_once * (s.key_run * 6 + s.quads * 4) + s.values * rows_at_once * 4;
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pack(const attention_call& call, std::int32_t head, std::byte* packed) noexcept {
    const layout s = sizes(call);
    packed += static_cast<std::size_t>(head) * s.head;
    pack_keys(call, head, s, packed);
    pack_values(call, head, s, reinterpret_cast<std::int16_t*>(packed + s.values_at));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const attention_call& call, std::int32_t head, std::int32_t begin, std::int32_t end,
                   const std::byte* packed, std::byte* scratch) noexcept {
    const layout s = sizes(call);
    packed += static_cast<std::size_t>(head) * s.head;
    for (std::int32_t i = begin; i < end; i += rows_at_once) block(call, head, i, end, s, packed, scratch);
  }

private:
  static constexpr std::int32_t rows_at_once = 6;

  /// Extents of the packed memory: per head keys (panels of 16, quads, 16, 4), their bias (key_run) and values
  /// (pairs, values, 2).
  struct layout {
    std::size_t quads;                     ///< dot products of four along a key
    std::size_t panels;                    ///< of 16 keys
    std::size_t pairs;                     ///< of keys, as far as the probabilities of a query reach
    std::size_t key_run;                   ///< keys rounded up to 32, the reach of a row of scores
    std::size_t values;                    ///< channels of a head rounded up to 16
    std::size_t bias_at, values_at, head;  ///< bytes
  };

  static layout sizes(const attention_call& call) noexcept {
    const auto keys = static_cast<std::size_t>(call.keys()), depth = static_cast<std::size_t>(call.head_depth());
    layout s{};
    s.quads = (depth + 3) / 4;
    s.panels = (keys + 15) / 16;
    s.pairs = (keys + 1) / 2;
    s.key_run = round_up(keys, 32);
    s.values = round_up(depth, 16);
    s.bias_at = s.panels * s.quads * 64;
    s.values_at = s.bias_at + s.key_run * 4;
    s.head = s.values_at + s.pairs * s.values * 4;
    return s;
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pack_keys(const attention_call& call, std::int32_t head, const layout& s, std::byte* packed) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth()), keys = static_cast<std::size_t>(call.keys());
    auto* const bias = reinterpret_cast<std::int32_t*>(packed + s.bias_at);
    const __m512i zero = _mm512_set1_epi32(-call.factors.zero_q), ones = _mm512_set1_epi8(1);
    for (std::size_t panel = 0; panel < s.panels; ++panel) {
      std::byte* const to = packed + panel * s.quads * 64;
      for (std::size_t key = 0; key < 16; ++key) {
        const std::size_t j = panel * 16 + key;
        std::byte* const column = to + key * 4;
        if (j >= keys) {
          for (std::size_t q = 0; q < s.quads; ++q) std::memset(column + q * 64, 0, 4);
          continue;
        }
        const std::uint8_t* const from = call.k.at(static_cast<std::ptrdiff_t>(j), 0) + first;
        for (std::size_t q = 0; q < depth / 4; ++q) {
          std::uint32_t word;
          std::memcpy(&word, from + q * 4, 4);
          word ^= 0x8080'8080u;
          std::memcpy(column + q * 64, &word, 4);
        }
        if (depth % 4 == 0) continue;
        std::uint32_t word = 0x8080'8080u;  // channels behind the last become 0
        std::memcpy(&word, from + depth / 4 * 4, depth % 4);
        word ^= 0x8080'8080u;
        std::memcpy(column + depth / 4 * 64, &word, 4);
      }
      __m512i sum = _mm512_setzero_si512();
      for (std::size_t q = 0; q < s.quads; ++q) sum = _mm512_dpbusd_epi32(sum, ones, _mm512_load_si512(to + q * 64));
      _mm512_store_si512(bias + panel * 16, _mm512_mullo_epi32(sum, zero));
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pack_values(const attention_call& call, std::int32_t head, const layout& s, std::int16_t* to) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth());
    const __m512i zero = _mm512_set1_epi32(call.factors.zero_v);
    for (std::size_t pair = 0; pair < s.pairs; ++pair) {
      const std::uint8_t* const even = call.v.at(static_cast<std::ptrdiff_t>(pair * 2), 0) + first;
      const bool single = static_cast<std::int32_t>(pair * 2 + 1) >= call.keys();
      const std::uint8_t* const odd = single ? even : call.v.at(static_cast<std::ptrdiff_t>(pair * 2 + 1), 0) + first;
      for (std::size_t d = 0; d < s.values; d += 16, to += 32) {
        const auto mask = static_cast<__mmask16>(depth - d >= 16 ? 0xFFFF : (1u << (depth - d)) - 1);
        const __m512i a = _mm512_maskz_sub_epi32(mask, bytes(mask, even + d), zero);
        const __m512i b = _mm512_maskz_sub_epi32(single ? __mmask16{0} : mask, bytes(mask, odd + d), zero);
        _mm512_store_si512(to, _mm512_mask_blend_epi16(0xAAAA'AAAA, a, _mm512_maskz_slli_epi32(0xFFFF, b, 16)));
      }
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i bytes(__mmask16 mask, const std::uint8_t* x) noexcept {
    return _mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_maskz_loadu_epi8(mask, x));
  }

  /// Queries i .. i + 5, those from `end` on again the last one, unstored.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void block(const attention_call& call, std::int32_t head, std::int32_t i, std::int32_t end, const layout& s,
                    const std::byte* packed, std::byte* scratch) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth());
    auto* const scores = reinterpret_cast<std::int32_t*>(scratch);                         // (6, key_run)
    auto* const p = reinterpret_cast<std::int16_t*>(scores + rows_at_once * s.key_run);    // (6, key_run)
    auto* const sums = reinterpret_cast<std::int32_t*>(p + rows_at_once * s.key_run);      // (6, values)
    auto* const copies = reinterpret_cast<std::uint8_t*>(sums + rows_at_once * s.values);  // (6, quads, 4)
    const std::uint8_t* q[rows_at_once];
    std::int32_t most = 0;  // keys that any of them sees
    for (std::int32_t r = 0; r < rows_at_once; ++r) {
      const std::int32_t at = i + r < end ? i + r : end - 1;
      q[r] = call.q.at(at, 0) + first;
      if (depth % 4 != 0) {
        std::uint8_t* const copy = copies + static_cast<std::size_t>(r) * s.quads * 4;
        std::memset(copy, 0, s.quads * 4);
        std::memcpy(copy, q[r], depth);
        q[r] = copy;
      }
      if (call.keys_of(at) > most) most = call.keys_of(at);
    }
    const std::size_t panels = (static_cast<std::size_t>(most) + 15) / 16;
    const auto* const bias = reinterpret_cast<const std::int32_t*>(packed + s.bias_at);
    for (std::size_t panel = 0; panel < panels;) {
      const std::byte* const k = packed + panel * s.quads * 64;
      if (panels - panel >= 4) {
        score_tile<4>(q, k, s.quads, bias + panel * 16, scores + panel * 16, s.key_run);
        panel += 4;
      } else {
        score_tile<1>(q, k, s.quads, bias + panel * 16, scores + panel * 16, s.key_run);
        ++panel;
      }
    }
    const std::size_t pairs = (static_cast<std::size_t>(most) + 1) / 2;
    for (std::size_t r = 0; r < rows_at_once; ++r) {
      const std::int32_t at = i + static_cast<std::int32_t>(r) < end ? i + static_cast<std::int32_t>(r) : end - 1;
      const auto keys = static_cast<std::size_t>(call.keys_of(at));
      std::int32_t* const from = scores + r * s.key_run;
      std::int16_t* const to = p + r * s.key_run;
      if (const std::int32_t* const more = call.bias_row(head, at)) add_bias(more, keys, from);
      if (call.factors.rounds())
        avx512_softmax_rounded(from, keys, pairs * 2, left_out(call, q[r], s.quads * 4), call.factors.levels, to);
      else avx512_softmax_q14(from, keys, pairs * 2, call.factors.score, to);
    }
    const auto* const v = reinterpret_cast<const std::int16_t*>(packed + s.values_at);
    for (std::size_t d = 0; d < s.values;) {
      const std::size_t rest = s.values - d;
      if (rest >= 64) value_tile<4>(p, v + d * 2, s, pairs, sums + d), d += 64;
      else if (rest >= 32) value_tile<2>(p, v + d * 2, s, pairs, sums + d), d += 32;
      else value_tile<1>(p, v + d * 2, s, pairs, sums + d), d += 16;
    }
    for (std::int32_t r = 0; r < rows_at_once && i + r < end; ++r) {
      store(call, sums + static_cast<std::size_t>(r) * s.values, depth, call.y.at(i + r, 0) + first);
      if (head + 1 == call.factors.heads) pad_channels(call.y, call.y.at(i + r, 0), call.factors.zero_y);
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void add_bias(const std::int32_t* bias, std::size_t keys, std::int32_t* scores) noexcept {
    for (std::size_t j = 0; j < keys; j += 16) {
      const auto mask = static_cast<__mmask16>(keys - j >= 16 ? 0xFFFF : (1u << (keys - j)) - 1);
      _mm512_store_si512(scores + j,
                         _mm512_add_epi32(_mm512_load_si512(scores + j), _mm512_maskz_loadu_epi32(mask, bias + j)));
    }
  }

  /// (128 - zp_k) * sum_d (q - zp_q): what tiles leave out of all scores of a query.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static std::int32_t left_out(const attention_call& call, const std::uint8_t* q, std::size_t padded) noexcept {
    std::int32_t sum = -call.factors.zero_q * call.head_depth();
    for (std::size_t d = 0; d < padded; ++d) sum += q[d];
    return (128 - call.factors.zero_k) * sum;
  }

  template <std::size_t Panels>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void score_tile(const std::uint8_t* const* q, const std::byte* k, std::size_t quads, const std::int32_t* bias,
                         std::int32_t* to, std::size_t row) noexcept {
    score_tile_of<Panels>(q, k, quads, bias, to, row, std::make_index_sequence<rows_at_once>{},
                          std::make_index_sequence<rows_at_once * Panels>{});
  }

  /// 6 queries x Panels * 16 keys.
  template <std::size_t Panels, std::size_t... Row, std::size_t... Cell>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void score_tile_of(const std::uint8_t* const* q, const std::byte* k,
                                                                  std::size_t quads, const std::int32_t* bias,
                                                                  std::int32_t* to, std::size_t row,
                                                                  std::index_sequence<Row...>,
                                                                  std::index_sequence<Cell...>) noexcept {
    __m512i c[sizeof...(Cell)];
    ((c[Cell] = _mm512_load_si512(bias + Cell % Panels * 16)), ...);
    const std::uint8_t* const x[] = {q[Row]...};
    const std::size_t panel = quads * 64;
    for (std::size_t at = 0; at < quads; ++at, k += 64) {
      const __m512i b[] = {_mm512_load_si512(k), _mm512_load_si512(k + (Panels > 1 ? panel : 0)),
                           _mm512_load_si512(k + (Panels > 1 ? 2 * panel : 0)),
                           _mm512_load_si512(k + (Panels > 1 ? 3 * panel : 0))};
      (dots<Panels>(c + Row * Panels, quad(x[Row] + at * 4), b), ...);
    }
    ((_mm512_store_si512(to + Cell / Panels * row + Cell % Panels * 16, c[Cell])), ...);
  }

  template <std::size_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void dots(__m512i* c, __m512i a, const __m512i* b) noexcept {
    c[0] = _mm512_dpbusd_epi32(c[0], a, b[0]);
    if constexpr (Registers > 1) {
      c[1] = _mm512_dpbusd_epi32(c[1], a, b[1]);
      c[2] = _mm512_dpbusd_epi32(c[2], a, b[2]);
      c[3] = _mm512_dpbusd_epi32(c[3], a, b[3]);
    }
  }

  template <std::size_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void value_tile(const std::int16_t* p, const std::int16_t* v, const layout& s, std::size_t pairs,
                         std::int32_t* to) noexcept {
    value_tile_of<Registers>(p, v, s, pairs, to, std::make_index_sequence<rows_at_once>{},
                             std::make_index_sequence<rows_at_once * Registers>{});
  }

  /// 6 queries x Registers * 16 channels.
  template <std::size_t Registers, std::size_t... Row, std::size_t... Cell>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void value_tile_of(const std::int16_t* p, const std::int16_t* v,
                                                                  const layout& s, std::size_t pairs, std::int32_t* to,
                                                                  std::index_sequence<Row...>,
                                                                  std::index_sequence<Cell...>) noexcept {
    __m512i c[sizeof...(Cell)];
    ((c[Cell] = _mm512_setzero_si512()), ...);
    const std::size_t step = s.values * 2, row = s.key_run;
    for (std::size_t at = 0; at < pairs; ++at, v += step, p += 2) {
      const __m512i b[] = {_mm512_load_si512(v), _mm512_load_si512(v + (Registers > 1 ? 32 : 0)),
                           _mm512_load_si512(v + (Registers > 2 ? 64 : 0)),
                           _mm512_load_si512(v + (Registers > 2 ? 96 : 0))};
      (weighted<Registers>(c + Row * Registers, pair(p + Row * row), b), ...);
    }
    ((_mm512_store_si512(to + Cell / Registers * s.values + Cell % Registers * 16, c[Cell])), ...);
  }

  template <std::size_t Registers>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline void weighted(__m512i* c, __m512i a, const __m512i* b) noexcept {
    c[0] = _mm512_dpwssd_epi32(c[0], a, b[0]);
    if constexpr (Registers > 1) c[1] = _mm512_dpwssd_epi32(c[1], a, b[1]);
    if constexpr (Registers > 2) {
      c[2] = _mm512_dpwssd_epi32(c[2], a, b[2]);
      c[3] = _mm512_dpwssd_epi32(c[3], a, b[3]);
    }
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i quad(const std::uint8_t* x) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
  }
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i pair(const std::int16_t* x) noexcept {
    std::int32_t v;
    std::memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
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
