// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/isa/amx_tile_config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/attention/avx512_heads.hpp"
#include "dsmm/kernels/attention/avx512_softmax.hpp"
#include "dsmm/kernels/attention/generic.hpp"
#include "dsmm/kernels/attention/x86_avx512vnni.hpp"
#include "dsmm/kernels/pad_channels.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// Sixteen queries at once, in tile registers. Scores as in x86_avx512vnni. A probability has 14 bits, so it is split
/// into 128 * upper + lower, two bytes, and each meets v - 128 in a tdpbusd of its own; (128 - zp_v) * sum_j p is added
/// to the sums of a query.
struct x86_amx {
  static constexpr isa required = isa::x86_amx;

  static bool takes(const attention_call& call) noexcept {
    return x86_avx512vnni::takes(call) && call.queries() >= rows_at_once;
  }

  static std::size_t packed_bytes(const attention_call& call) noexcept {
    return sizes(call).head * static_cast<std::size_t>(call.factors.heads);
  }
  static std::size_t scratch_bytes(const attention_call& call) noexcept { return sizes(call).scratch; }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pack(const attention_call& call, std::int32_t head, std::byte* packed) noexcept {
    const layout s = sizes(call);
    packed += static_cast<std::size_t>(head) * s.head;
    avx512_heads::pack_keys(call, head, s.quads, packed, packed + s.bias_at);
    pack_values(call, head, s, reinterpret_cast<std::uint8_t*>(packed + s.values_at));
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void rows(const attention_call& call, std::int32_t head, std::int32_t begin, std::int32_t end,
                   const std::byte* packed, std::byte* scratch) noexcept {
    const layout s = sizes(call);
    packed += static_cast<std::size_t>(head) * s.head;
    for (std::int32_t i = begin; i < end; i += rows_at_once)
      block(call, head, i, std::min(end - i, rows_at_once), s, packed, scratch);
    _tile_release();
  }

private:
  static constexpr std::int32_t rows_at_once = 16;

  /// Extents of memory. Packed, per head: keys (panels of 16, quads, 16, 4), their bias (key_run) and values (16
  /// channels each: key_run / 4, 16, 4). Scratch: scores (16, key_run), upper and lower halves of probabilities (16,
  /// key_run), one query's probabilities (key_run), sums of both halves (2, 16, values), queries (16, quads, 4).
  struct layout {
    std::size_t quads, block;  ///< dot products of four along a key, those of a tile
    std::size_t panels;        ///< of 16 keys
    std::size_t key_run;       ///< keys rounded up to 64
    std::size_t values;        ///< channels of a head rounded up to 32
    std::size_t bias_at, values_at, head;
    std::size_t upper_at, lower_at, row_at, sums_at, queries_at, scratch;
  };

  static layout sizes(const attention_call& call) noexcept {
    const auto keys = static_cast<std::size_t>(call.keys()), depth = static_cast<std::size_t>(call.head_depth());
    constexpr auto rows = static_cast<std::size_t>(rows_at_once);
    layout s{};
    const std::size_t needed = (depth + 3) / 4, blocks = (needed + 15) / 16;
    s.block = (needed + blocks - 1) / blocks;
    s.quads = s.block * blocks;
    s.panels = (keys + 15) / 16;
    s.key_run = round_up(keys, 64);
    s.values = round_up(depth, 32);
    s.bias_at = s.panels * s.quads * 64;
    s.values_at = s.bias_at + s.key_run * 4;
    s.head = s.values_at + s.key_run * s.values;
    s.upper_at = rows * s.key_run * 4;
    s.lower_at = s.upper_at + rows * s.key_run;
    s.row_at = s.lower_at + rows * s.key_run;
    s.sums_at = s.row_at + s.key_run * 2;
    s.queries_at = s.sums_at + 2 * rows * s.values * 4;
    s.scratch = s.queries_at + rows * s.quads * 4;
    return s;
  }

  /// v - 128; keys behind the last and channels behind the last are 0.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void pack_values(const attention_call& call, std::int32_t head, const layout& s, std::uint8_t* to) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth()), keys = static_cast<std::size_t>(call.keys());
    const __m128i half = _mm_set1_epi8(static_cast<char>(0x80));
    for (std::size_t d = 0; d < s.values; d += 16) {
      const auto mask = static_cast<__mmask16>(d >= depth ? 0 : depth - d >= 16 ? 0xFFFF : (1u << (depth - d)) - 1);
      for (std::size_t key = 0; key < s.key_run; key += 4, to += 64) {
        __m128i row[4];
        for (std::size_t j = 0; j < 4; ++j) {
          const __mmask16 there = key + j < keys ? mask : __mmask16{0};
          const auto* const from = call.v.at(static_cast<std::ptrdiff_t>(std::min(key + j, keys - 1)), 0) + first;
          row[j] = _mm_maskz_mov_epi8(there, _mm_xor_si128(_mm_maskz_loadu_epi8(there, from + d), half));
        }
        const __m128i a = _mm_unpacklo_epi8(row[0], row[1]), b = _mm_unpacklo_epi8(row[2], row[3]);
        const __m128i c = _mm_unpackhi_epi8(row[0], row[1]), e = _mm_unpackhi_epi8(row[2], row[3]);
        auto* const out = reinterpret_cast<__m128i*>(to);
        _mm_store_si128(out, _mm_unpacklo_epi16(a, b));
        _mm_store_si128(out + 1, _mm_unpackhi_epi16(a, b));
        _mm_store_si128(out + 2, _mm_unpacklo_epi16(c, e));
        _mm_store_si128(out + 3, _mm_unpackhi_epi16(c, e));
      }
    }
  }

  /// `count` queries from i on.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void block(const attention_call& call, std::int32_t head, std::int32_t i, std::int32_t count, const layout& s,
                    const std::byte* packed, std::byte* scratch) noexcept {
    const std::ptrdiff_t first = std::ptrdiff_t{head} * call.head_depth();
    const auto depth = static_cast<std::size_t>(call.head_depth());
    auto* const scores = reinterpret_cast<std::int32_t*>(scratch);
    auto* const queries = reinterpret_cast<std::uint8_t*>(scratch + s.queries_at);
    std::int32_t most = 0;  // keys that any of them sees
    for (std::int32_t r = 0; r < count; ++r) {
      std::uint8_t* const copy = queries + static_cast<std::size_t>(r) * s.quads * 4;
      std::memset(copy, 0, s.quads * 4);
      std::memcpy(copy, call.q.at(i + r, 0) + first, depth);
      most = std::max(most, call.keys_of(i + r));
    }
    const auto reach = round_up(static_cast<std::size_t>(most), 64);
    score_tiles(queries, s, count, (static_cast<std::size_t>(most) + 15) / 16, packed, scores);

    std::int32_t correction[rows_at_once];
    for (std::int32_t r = 0; r < count; ++r) {
      const auto row = static_cast<std::size_t>(r) * s.key_run;
      auto* const p = reinterpret_cast<std::int16_t*>(scratch + s.row_at);
      avx512_softmax_q14(scores + row, static_cast<std::size_t>(call.keys_of(i + r)), reach, call.factors.score, p);
      const std::int32_t sum = split(p, reach, reinterpret_cast<std::uint8_t*>(scratch + s.upper_at) + row,
                                     reinterpret_cast<std::uint8_t*>(scratch + s.lower_at) + row);
      correction[r] = (128 - call.factors.zero_v) * sum;
    }
    auto* const sums = reinterpret_cast<std::int32_t*>(scratch + s.sums_at);
    value_tiles(scratch, s, count, reach / 64, packed + s.values_at, sums);

    for (std::int32_t r = 0; r < count; ++r) {
      std::int32_t* const upper = sums + static_cast<std::size_t>(r) * s.values;
      const std::int32_t* const lower = upper + static_cast<std::size_t>(rows_at_once) * s.values;
      const __m512i more = _mm512_set1_epi32(correction[r]);
      for (std::size_t d = 0; d < s.values; d += 16) {
        const __m512i high = _mm512_maskz_slli_epi32(0xFFFF, _mm512_load_si512(upper + d), 7);
        _mm512_store_si512(upper + d, _mm512_add_epi32(_mm512_add_epi32(high, _mm512_load_si512(lower + d)), more));
      }
      avx512_heads::store(call, upper, depth, call.y.at(i + r, 0) + first);
      if (head + 1 == call.factors.heads) pad_channels(call.y, call.y.at(i + r, 0), call.factors.zero_y);
    }
  }

  /// Scores of `count` queries and 16 * panels keys. Tiles: sums 0 to 3, queries 4, keys 6.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void score_tiles(const std::uint8_t* queries, const layout& s, std::int32_t count, std::size_t panels,
                          const std::byte* packed, std::int32_t* scores) noexcept {
    amx_tile_config::of(count, static_cast<std::int32_t>(s.block)).load();
    const auto* const bias = reinterpret_cast<const std::int32_t*>(packed + s.bias_at);
    const auto row = static_cast<std::ptrdiff_t>(s.quads * 4), out = static_cast<std::ptrdiff_t>(s.key_run * 4);
    const std::size_t panel_bytes = s.quads * 64;
    std::size_t panel = 0;
    for (; panel + 4 <= panels; panel += 4) {
      const std::byte* k = packed + panel * panel_bytes;
      _tile_loadd(0, bias + panel * 16, 0);
      _tile_loadd(1, bias + panel * 16 + 16, 0);
      _tile_loadd(2, bias + panel * 16 + 32, 0);
      _tile_loadd(3, bias + panel * 16 + 48, 0);
      for (std::size_t q = 0; q < s.quads; q += s.block, k += s.block * 64) {
        _tile_loadd(4, queries + q * 4, row);
        _tile_loadd(6, k, 64);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, k + panel_bytes, 64);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(6, k + 2 * panel_bytes, 64);
        _tile_dpbusd(2, 4, 6);
        _tile_loadd(7, k + 3 * panel_bytes, 64);
        _tile_dpbusd(3, 4, 7);
      }
      _tile_stored(0, scores + panel * 16, out);
      _tile_stored(1, scores + panel * 16 + 16, out);
      _tile_stored(2, scores + panel * 16 + 32, out);
      _tile_stored(3, scores + panel * 16 + 48, out);
    }
    for (; panel < panels; ++panel) {
      const std::byte* k = packed + panel * panel_bytes;
      _tile_loadd(0, bias + panel * 16, 0);
      for (std::size_t q = 0; q < s.quads; q += s.block, k += s.block * 64) {
        _tile_loadd(4, queries + q * 4, row);
        _tile_loadd(6, k, 64);
        _tile_dpbusd(0, 4, 6);
      }
      _tile_stored(0, scores + panel * 16, out);
    }
  }

  /// p = 128 * upper + lower for n probabilities, n a multiple of 64; their sum.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static std::int32_t split(const std::int16_t* p, std::size_t n, std::uint8_t* upper, std::uint8_t* lower) noexcept {
    const __m512i seven = _mm512_set1_epi16(127), ones = _mm512_set1_epi16(1);
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t j = 0; j < n; j += 32) {
      const __m512i v = _mm512_load_si512(p + j);
      sum = _mm512_dpwssd_epi32(sum, v, ones);
      const __m512i high = _mm512_maskz_srli_epi16(~__mmask32{0}, v, 7);
      _mm256_store_si256(reinterpret_cast<__m256i*>(upper + j), _mm512_maskz_cvtepi16_epi8(~__mmask32{0}, high));
      _mm256_store_si256(reinterpret_cast<__m256i*>(lower + j),
                         _mm512_maskz_cvtepi16_epi8(~__mmask32{0}, _mm512_and_si512(v, seven)));
    }
    alignas(64) std::int32_t lane[16];
    _mm512_store_si512(lane, sum);
    std::int32_t all = 0;
    for (const std::int32_t l : lane) all += l;
    return all;
  }

  /// sums (2, 16, values): both halves of the probabilities of 64 * blocks keys times the values, 32 channels at once.
  /// Tiles: sums 0 to 3, upper 4, lower 5, values 6 and 7.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")
  static void value_tiles(const std::byte* scratch, const layout& s, std::int32_t count, std::size_t blocks,
                          const std::byte* values, std::int32_t* sums) noexcept {
    amx_tile_config::of(count, 16).load();
    const auto row = static_cast<std::ptrdiff_t>(s.key_run), out = static_cast<std::ptrdiff_t>(s.values * 4);
    const std::size_t run = s.key_run * 16;  // bytes of 16 channels
    std::int32_t* const lower_sums = sums + static_cast<std::size_t>(rows_at_once) * s.values;
    for (std::size_t d = 0; d < s.values; d += 32) {
      const std::byte* v = values + d / 16 * run;
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (std::size_t k = 0; k < blocks; ++k, v += 1024) {
        _tile_loadd(4, scratch + s.upper_at + k * 64, row);
        _tile_loadd(6, v, 64);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, v + run, 64);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, scratch + s.lower_at + k * 64, row);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
      }
      _tile_stored(0, sums + d, out);
      _tile_stored(1, sums + d + 16, out);
      _tile_stored(2, lower_sums + d, out);
      _tile_stored(3, lower_sums + d + 16, out);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
