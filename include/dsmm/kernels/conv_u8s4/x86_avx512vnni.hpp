// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx512vnni_tiles.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s4_impl {

/// Nibbles in two's complement, unpacked inside the tile. A panel of 32 channels has 64 bytes per quad: low nibbles are
/// the first 16 channels x 4, high ones the others. A last panel of 16 channels has 32: low nibbles are the even
/// values. Left in the upper half of a byte a nibble is 16 times itself, which is a weight without groups. With groups,
/// (n + 8) * scale fits a byte, so vpmullw does two of them, and 8 * scale is taken off again.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return conv_u8s8_impl::panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    conv_u8s8_impl::panel_pack<layout>::pack(from, memory, p);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    rows(p, e, x, y, y_begin, y_end);
  }

private:
  struct layout {
    static constexpr bool nibbles = true, sums = false;
    static constexpr std::int32_t max_width = 32;
    static constexpr std::int32_t width(std::int32_t rest) noexcept { return rest > 16 ? 32 : 16; }
    static constexpr std::size_t quad_bytes(std::size_t channels) noexcept { return channels * 2; }
    static void put(const std::int8_t (*quad)[4], std::size_t channels, std::int8_t* out) noexcept {
      const auto* const values = reinterpret_cast<const std::int8_t*>(quad);
      for (std::size_t i = 0; i < channels * 2; ++i) {
        const int low = channels == 32 ? values[i] : values[2 * i],
                  high = channels == 32 ? values[64 + i] : values[2 * i + 1];
        out[i] = static_cast<std::int8_t>((low & 15) | (high & 15) << 4);
      }
    }
  };

  /// 16 times the nibbles.
  struct plain : layout {
    static constexpr bool grouped = false;
    static constexpr std::int32_t runs_of_4 = 3, runs_of_7 = 2;
    static std::int32_t segments(const conv_panel&) noexcept { return 1; }
    static std::int32_t end(const conv_panel& p, std::int32_t) noexcept { return p.quads; }
    template <std::int32_t Registers>
    static int scale(const conv_panel&, std::int32_t) noexcept {
      return 1;
    }
    template <std::int32_t Registers>
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline void load(const std::int8_t* w, int, __m512i* b) noexcept {
      load_unscaled<Registers>(w, b);
    }
    template <std::int32_t Registers>
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline void load_unscaled(const std::int8_t* w, __m512i* b) noexcept {
      const __m512i upper = _mm512_set1_epi8(static_cast<char>(0xF0));
      if constexpr (Registers == 2) {
        const __m512i both = _mm512_load_si512(w);
        b[0] = _mm512_slli_epi16(both, 4) & upper;
        b[1] = both & upper;
      } else {
        const __m512i pairs = pairs_of(w);
        b[0] = (_mm512_slli_epi16(pairs, 4) | _mm512_slli_epi16(pairs, 8)) & upper;
      }
    }
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline __m512i scaled(const conv_panel&, std::int32_t, std::int32_t,
                                                                __m512i sum) noexcept {
      return sum;
    }
  };

  /// Nibbles times the scale of their group.
  struct scaled_by_group : plain {
    static constexpr bool grouped = true;
    static constexpr std::int32_t runs_of_4 = 3, runs_of_7 = 1;  ///< scales want registers too: 2 x 7 is slower
    template <std::int32_t Registers>
    struct scales {
      __m512i factor[Registers];  ///< s16: the scale of the channel
      __m512i offset[Registers];  ///< u8: 8 times the scale
    };
    static std::int32_t segments(const conv_panel& p) noexcept { return p.segments; }
    static std::int32_t end(const conv_panel& p, std::int32_t segment) noexcept { return p.ends[segment]; }
    template <std::int32_t Registers>
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline scales<Registers> scale(const conv_panel& p,
                                                                         std::int32_t segment) noexcept {
      scales<Registers> s;
      for (std::int32_t r = 0; r < Registers; ++r) {
        const __m512i v = words(p, segment, r);
        s.factor[r] = v | _mm512_maskz_slli_epi32(0xFFFF, v, 16);
        s.offset[r] = _mm512_slli_epi16(s.factor[r], 3) | _mm512_slli_epi16(s.factor[r], 11);
      }
      return s;
    }
    template <std::int32_t Registers>
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline void load(const std::int8_t* w, const scales<Registers>& s,
                                                           __m512i* b) noexcept {
      const __m512i lower = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
      __m512i u[Registers];
      if constexpr (Registers == 2) {
        const __m512i both = _mm512_load_si512(w);
        u[0] = both;
        u[1] = _mm512_srli_epi16(both, 4);
      } else {
        const __m512i pairs = pairs_of(w);
        u[0] = pairs | _mm512_slli_epi16(pairs, 4);
      }
      for (std::int32_t r = 0; r < Registers; ++r)
        b[r] = _mm512_sub_epi8(_mm512_mullo_epi16((u[r] & lower) ^ eight, s.factor[r]), s.offset[r]);
    }
    /// The sum of a group is of 16 times the nibbles.
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline __m512i scaled(const conv_panel& p, std::int32_t segment,
                                                                std::int32_t r, __m512i sum) noexcept {
      return _mm512_mullo_epi32(_mm512_maskz_srai_epi32(0xFFFF, sum, 4), words(p, segment, r));
    }

  private:
    /// The scales of 16 channels as s32.
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline __m512i words(const conv_panel& p, std::int32_t segment,
                                                               std::int32_t r) noexcept {
      const std::uint8_t* const at = p.scales + segment * p.channels + r * 16;
      return _mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    }
  };

  /// 32 bytes as 16-bit words: two nibbles each.
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  __attribute__((always_inline)) static inline __m512i pairs_of(const std::int8_t* w) noexcept {
    return _mm512_maskz_cvtepu8_epi16(~__mmask32{0}, _mm256_load_si256(reinterpret_cast<const __m256i*>(w)));
  }

  template <class T>
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<T>& y,
                   std::int32_t y_begin, std::int32_t y_end) noexcept {
    if (p.panels[0].segments != 0) conv_u8s8_impl::avx512vnni_tiles<scaled_by_group>::rows(p, e, x, y, y_begin, y_end);
    else conv_u8s8_impl::avx512vnni_tiles<plain>::rows(p, e, x, y, y_begin, y_end);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s4_impl
