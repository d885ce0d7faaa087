// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/dwconv_u8s8/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/dwconv_u8s8/x86_avx2.hpp"
#include "dsmm/kernels/dwconv_u8s8/x86_avx512bw.hpp"
#include "dsmm/kernels/dwconv_u8s8/x86_avx512vnni.hpp"
#elif DSMM_ARM64
#include "dsmm/kernels/dwconv_u8s8/arm_neon.hpp"
#endif

/// Depthwise convolution u8 x s8 -> u8 or f32: each channel with its own kernel. The contract is that of conv_u8s8.hpp,
/// with geometry.in_channels == out_channels.
namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using dw_variants = kernel_list<dwconv_u8s8_impl::x86_avx512vnni, dwconv_u8s8_impl::x86_avx512bw,
                                dwconv_u8s8_impl::x86_avx2, dwconv_u8s8_impl::generic>;
#elif DSMM_ARM64
using dw_variants = kernel_list<dwconv_u8s8_impl::arm_neon, dwconv_u8s8_impl::generic>;
#else
using dw_variants = kernel_list<dwconv_u8s8_impl::generic>;
#endif

/// The variant that a machine with `level` runs.
inline const conv_kernel& dw_kernel_for(isa level) noexcept {
  return *dw_variants::choose(level,
                              []<class V>(std::type_identity<V>) -> const conv_kernel* { return &conv_kernel_of<V>; });
}

/// Bytes that dw_pack() needs.
inline std::size_t dw_pack_bytes(const conv_geometry& g, isa level) noexcept {
  return round_up(static_cast<std::size_t>(dw_taps(g)) * sizeof(std::int32_t), 64) +
         round_up(dw_kernel_for(level).pack_bytes(g, 0), 64);
}

/// As conv_pack(); w8 s8 (out_channels, kernel_h, kernel_w), dense.
inline conv_packed dw_pack(const conv_geometry& g, isa level, const std::int8_t* w8, std::ptrdiff_t row_bytes,
                           std::ptrdiff_t pixel_bytes, std::byte* memory) noexcept {
  const std::int32_t taps = g.kernel_h * g.kernel_w;
  auto* const offsets = reinterpret_cast<std::int32_t*>(memory);
  for (std::int32_t t = 0; t < dw_taps(g); ++t) {
    const std::ptrdiff_t kh = t / g.kernel_w, kw = t % g.kernel_w;
    offsets[t] =
        t < taps ? static_cast<std::int32_t>(kh * g.dilation_h * row_bytes + kw * g.dilation_w * pixel_bytes) : 0;
  }
  const conv_kernel& kernel = dw_kernel_for(level);
  conv_packed p;
  p.geometry = g;
  p.offsets = offsets;
  p.kernel = &kernel;
  kernel.pack({w8}, memory + round_up(static_cast<std::size_t>(dw_taps(g)) * sizeof(std::int32_t), 64), p);
  return p;
}

/// Rows [y_begin, y_end) of y, as conv_rows_u8().
inline void dw_rows_u8(const conv_packed& p, const conv_epilogue& e, tensor_view<const std::uint8_t> x,
                       tensor_view<std::uint8_t> y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  p.kernel->rows_u8(p, e, x, y, y_begin, y_end);
}

inline void dw_rows_f32(const conv_packed& p, const conv_epilogue& e, tensor_view<const std::uint8_t> x,
                        tensor_view<float> y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  p.kernel->rows_f32(p, e, x, y, y_begin, y_end);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
