// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/avx512vnni_tiles.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Weights as bytes: (panels, quads, registers of 16 channels, 16, 4). Panels of two registers; an odd number of
/// registers ends in a panel of three, or is one alone.
struct x86_avx512vnni {
  static constexpr isa required = isa::x86_avx512vnni;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return panel_pack<layout>::pack_bytes(g, group);
  }
  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    panel_pack<layout>::pack(from, memory, p);
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    avx512vnni_tiles<layout>::rows(p, e, x, y, y_begin, y_end);
  }
  DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    avx512vnni_tiles<layout>::rows(p, e, x, y, y_begin, y_end);
  }

private:
  struct layout {
    static constexpr bool nibbles = false, sums = false, grouped = false;
    static constexpr std::int32_t max_width = 48, runs_of_4 = 3, runs_of_7 = 2;
    static constexpr std::int32_t width(std::int32_t rest) noexcept {
      return rest > 48 ? 32 : rest > 32 ? 48 : rest > 16 ? 32 : 16;
    }
    static constexpr std::size_t quad_bytes(std::size_t channels) noexcept { return channels * 4; }
    static void put(const std::int8_t (*quad)[4], std::size_t channels, std::int8_t* out) noexcept {
      std::memcpy(out, quad, channels * 4);
    }

    static std::int32_t segments(const conv_panel&) noexcept { return 1; }
    static std::int32_t end(const conv_panel& p, std::int32_t) noexcept { return p.quads; }
    template <std::int32_t Registers>
    static int scale(const conv_panel&, std::int32_t) noexcept {
      return 1;
    }
    template <std::int32_t Registers>
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline void load(const std::int8_t* w, int, __m512i* b) noexcept {
      for (std::int32_t r = 0; r < Registers; ++r) b[r] = _mm512_load_si512(w + r * 64);
    }
    template <std::int32_t Registers>
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline void load_unscaled(const std::int8_t* w, __m512i* b) noexcept {
      load<Registers>(w, 1, b);
    }
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    __attribute__((always_inline)) static inline __m512i scaled(const conv_panel&, std::int32_t, std::int32_t,
                                                                __m512i sum) noexcept {
      return sum;
    }
  };
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
