// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/conv_u8s8/x86_amx.hpp"
#include "dsmm/kernels/conv_u8s8/x86_avx2.hpp"
#include "dsmm/kernels/conv_u8s8/x86_avx512bw.hpp"
#include "dsmm/kernels/conv_u8s8/x86_avx512vnni.hpp"
#include "dsmm/kernels/conv_u8s8/x86_avxvnni.hpp"
#include "dsmm/kernels/conv_u8s8/x86_sse41.hpp"
#elif DSMM_ARM64
#include "dsmm/kernels/conv_u8s8/arm_neon.hpp"
#endif
#if DSMM_ARM_DOT
#include "dsmm/kernels/conv_u8s8/arm_i8mm.hpp"
#include "dsmm/kernels/conv_u8s8/arm_neondot.hpp"
#endif

/// Direct convolution u8 x s8 -> u8 or f32, for images, series and vectors alike: no im2col, one list of offsets.
namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using conv_variants =
    kernel_list<conv_u8s8_impl::x86_amx, conv_u8s8_impl::x86_avx512vnni, conv_u8s8_impl::x86_avx512bw,
                conv_u8s8_impl::x86_avxvnni, conv_u8s8_impl::x86_avx2, conv_u8s8_impl::x86_sse41,
                conv_u8s8_impl::generic>;
#elif DSMM_ARM_DOT
using conv_variants = kernel_list<conv_u8s8_impl::arm_i8mm, conv_u8s8_impl::arm_neondot, conv_u8s8_impl::arm_neon,
                                  conv_u8s8_impl::generic>;
#elif DSMM_ARM64
using conv_variants = kernel_list<conv_u8s8_impl::arm_neon, conv_u8s8_impl::generic>;
#else
using conv_variants = kernel_list<conv_u8s8_impl::generic>;
#endif

/// The variant that a machine with `level` runs.
constexpr const conv_kernel& conv_kernel_for(isa level) noexcept {
  return *conv_variants::choose(
      level, []<class V>(std::type_identity<V>) -> const conv_kernel* { return &conv_kernel_of<V>; });
}

namespace conv_impl {

constexpr std::size_t offset_bytes(const conv_geometry& g) noexcept {
  return round_up(static_cast<std::size_t>(g.quads()) * sizeof(std::int32_t), 64);
}

constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group, const conv_kernel& kernel) noexcept {
  return offset_bytes(g) + round_up(kernel.pack_bytes(g, group), 64);
}

inline conv_packed pack(const conv_geometry& g, const conv_kernel& kernel, const conv_weights& w,
                        std::ptrdiff_t row_bytes, std::ptrdiff_t pixel_bytes, std::byte* memory) noexcept {
  conv_packed p;
  p.geometry = g;
  p.kernel = &kernel;
  auto* next = reinterpret_cast<std::int32_t*>(memory);
  p.offsets = next;
  for (std::int32_t kh = 0; kh < g.kernel_h; ++kh)
    for (std::int32_t kw = 0; kw < g.kernel_w; ++kw)
      for (std::int32_t i = 0; i < g.in_channels_padded; i += 4)
        *next++ = static_cast<std::int32_t>(kh * g.dilation_h * row_bytes + kw * g.dilation_w * pixel_bytes + i);
  kernel.pack(w, memory + offset_bytes(g), p);
  return p;
}

}  // namespace conv_impl

/// Bytes that conv_pack() needs.
constexpr std::size_t conv_pack_bytes(const conv_geometry& g, isa level) noexcept {
  return conv_impl::pack_bytes(g, 0, conv_kernel_for(level));
}

/// Lays weights out for the variant of `level`.
/// w8  s8 (out_channels, kernel_h, kernel_w, in_channels), dense.
/// row_bytes, pixel_bytes  distance of input rows and pixels, as in the view given at run time.
/// memory  conv_pack_bytes() bytes, 64-byte aligned; what is returned points into it.
/// pixels  outputs of a run, which may change the packing and never a result; 0: not known.
inline conv_packed conv_pack(const conv_geometry& g, isa level, const std::int8_t* w8, std::ptrdiff_t row_bytes,
                             std::ptrdiff_t pixel_bytes, std::byte* memory, std::int64_t pixels = 0) noexcept {
  return conv_impl::pack(g, conv_kernel_for(level), {w8, nullptr, 0, pixels}, row_bytes, pixel_bytes, memory);
}

/// Rows [y_begin, y_end) of y. x.data is the first tap of output (0, 0); every tap of every output must be readable,
/// and up to 3 bytes behind the last channel. Neither allocates nor fails.
inline void conv_rows_u8(const conv_packed& p, const conv_epilogue& e, tensor_view<const std::uint8_t> x,
                         tensor_view<std::uint8_t> y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  p.kernel->rows_u8(p, e, x, y, y_begin, y_end);
}

inline void conv_rows_f32(const conv_packed& p, const conv_epilogue& e, tensor_view<const std::uint8_t> x,
                          tensor_view<float> y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  p.kernel->rows_f32(p, e, x, y, y_begin, y_end);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
