// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s4/x86_avx512vnni.hpp"
#include "dsmm/kernels/conv_u8s8/amx_tiles.hpp"
#include "dsmm/kernels/conv_u8s8/block_pack.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s4_impl {

/// Nibbles become bytes in 1 KB of memory that tiles are loaded from, which hides behind the products of four runs:
/// for layers of few pixels, whose time is reading weights. A block of 16 channels is their scales, a dword with the
/// scale in both halves for each, and then 64 bytes for each two quads: nibble + 8, the first quad in the lower halves.
struct x86_amx {
  static constexpr isa required = isa::x86_amx;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return std::max(conv_u8s8_impl::block_pack<layout>::pack_bytes(g), x86_avx512vnni::pack_bytes(g, group));
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    using blocks = conv_u8s8_impl::block_pack<layout>;
    const bool one_scale = from.group == 0 || (p.geometry.in_channels % 64 == 0 && from.group % 64 == 0);
    if (one_scale && blocks::is_worth(from, p)) return blocks::pack(from, memory, p);
    p.kernel = &conv_kernel_of<x86_avx512vnni>;
    x86_avx512vnni::pack(from, memory, p);
  }

  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    conv_u8s8_impl::amx_tiles<layout>::rows(p, e, x, y, y_begin, y_end);
  }
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    conv_u8s8_impl::amx_tiles<layout>::rows(p, e, x, y, y_begin, y_end);
  }

private:
  struct layout {
    static constexpr bool nibbles = true;
    static constexpr std::ptrdiff_t block_bytes(std::int32_t quads) noexcept {
      return 64 + std::ptrdiff_t{(quads + 1) / 2} * 64;
    }

    static void put(const conv_u8s8_impl::weight_block& block, std::int8_t* out) noexcept {
      for (std::size_t o = 0; o < 16; ++o)
        for (std::size_t i = 0; i < 4; ++i)
          out[o * 4 + i] = static_cast<std::int8_t>(i % 2 == 0 ? block.scales[o] : 0);
      for (std::int32_t q = 0; q < block.quads; ++q)
        for (std::size_t i = 0; i < 64; ++i) {
          const int nibble = block.w8[q][i / 4][i % 4] / block.scales[i / 4] + 8;
          std::int8_t& both = out[64 + q / 2 * 64 + static_cast<std::ptrdiff_t>(i)];
          both = static_cast<std::int8_t>(q % 2 == 0 ? nibble : both | nibble << 4);
        }
    }

    /// (nibble + 8) * scale is at most 240, so vpmullw multiplies two bytes; 8 * scale is taken off again.
    DSMM_TARGET("avx512f,avx512bw,avx512vl,avx512vnni")
    static const std::int8_t* load(const std::int8_t* w, std::int32_t quads, std::int8_t* memory) noexcept {
      const __m512i factor = _mm512_load_si512(w), lower = _mm512_set1_epi8(15);
      const __m512i offset = _mm512_slli_epi16(factor, 3) | _mm512_slli_epi16(factor, 11);
      for (std::int32_t q = 0; q < quads; q += 2) {
        w += 64;
        const __m512i both = _mm512_load_si512(w);
        const __m512i first = both & lower, second = _mm512_srli_epi16(both, 4) & lower;
        _mm512_store_si512(memory + q * 64, _mm512_sub_epi8(_mm512_mullo_epi16(first, factor), offset));
        _mm512_store_si512(memory + q * 64 + 64, _mm512_sub_epi8(_mm512_mullo_epi16(second, factor), offset));
      }
      asm volatile("" : : "r"(memory) : "memory");  // see amx_tile_config
      return memory;
    }
  };
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s4_impl
