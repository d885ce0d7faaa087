// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8/amx_tiles.hpp"
#include "dsmm/kernels/conv_u8s8/block_pack.hpp"
#include "dsmm/kernels/conv_u8s8/x86_avx512vnni.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Weights as bytes: (panels, registers of 16 channels, blocks, quads of a block, 16, 4). Layers whose inputs lie in
/// short pieces, and pruned ones of which few whole blocks are left over, run on vpdpbusd.
struct x86_amx {
  static constexpr isa required = isa::x86_amx;

  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    return std::max(block_pack<layout>::pack_bytes(g), x86_avx512vnni::pack_bytes(g, group));
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    if (block_pack<layout>::is_worth(from, p)) return block_pack<layout>::pack(from, memory, p);
    p.kernel = &conv_kernel_of<x86_avx512vnni>;
    x86_avx512vnni::pack(from, memory, p);
  }

  static void rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                      const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
    amx_tiles<layout>::rows(p, e, x, y, y_begin, y_end);
  }
  static void rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x, const tensor_view<float>& y,
                       std::int32_t y_begin, std::int32_t y_end) noexcept {
    amx_tiles<layout>::rows(p, e, x, y, y_begin, y_end);
  }

private:
  struct layout {
    static constexpr bool nibbles = false;
    static constexpr std::ptrdiff_t block_bytes(std::int32_t quads) noexcept { return std::ptrdiff_t{quads} * 64; }
    static void put(const weight_block& block, std::int8_t* out) noexcept {
      std::memcpy(out, block.w8, static_cast<std::size_t>(block.quads) * 64);
    }
    static const std::int8_t* load(const std::int8_t* w, std::int32_t, std::int8_t*) noexcept { return w; }
  };
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
