// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/conv_u8s4/generic.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#if DSMM_X86
#include "dsmm/kernels/conv_u8s4/x86_amx.hpp"
#include "dsmm/kernels/conv_u8s4/x86_avx2.hpp"
#include "dsmm/kernels/conv_u8s4/x86_avx512vnni.hpp"
#endif

/// Direct convolution with weights that stay four bits wide in memory. What comes out is what conv_u8s8 gives for the
/// expanded weights; conv_rows_u8() and conv_rows_f32() run both.
namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using conv_s4_variants = kernel_list<conv_u8s4_impl::x86_amx, conv_u8s4_impl::x86_avx512vnni,
                                     conv_u8s4_impl::x86_avx2, conv_u8s4_impl::generic>;
#else
using conv_s4_variants = kernel_list<conv_u8s4_impl::generic>;
#endif

constexpr const conv_kernel& conv_s4_kernel_for(isa level) noexcept {
  return *conv_s4_variants::choose(
      level, []<class V>(std::type_identity<V>) -> const conv_kernel* { return &conv_kernel_of<V>; });
}

/// Whether weights of I4S stay nibbles or are expanded to int8 at load; equal bits either way. As measured
/// (docs/kernels.md): without groups nibbles cost nothing and halve the memory; with groups, scaling them inside the
/// tile costs a tenth, so a layer of many pixels is expanded and one of few, whose time is reading weights, is not.
/// Instruction sets without a nibble kernel of their own expand. The environment variable DSMM_NIBBLES, 0 or 1,
/// overrides; it is read once. pixels  outputs of a run.
inline bool keep_nibbles(const conv_geometry& g, std::int32_t group, std::int64_t pixels, isa level) noexcept {
  static const int forced = []() noexcept {
    const char* const text = std::getenv("DSMM_NIBBLES");
    return text == nullptr || (*text != '0' && *text != '1') || text[1] != '\0' ? -1 : *text - '0';
  }();
  if (!nibbles_fit(g, group)) return false;
  if (forced >= 0) return forced == 1;
  if (covers(level, isa::x86_amx))  // reading weights is all the time that so few pixels take
    return pixels <= 8 || (pixels <= 64 && (group == 0 || (g.in_channels % 64 == 0 && group % 64 == 0)));
  const isa kernel = conv_s4_kernel_for(level).required;
  if (kernel == isa::x86_avx512vnni) return group == 0 || pixels <= 8;
  if (covers(level, isa::x86_avxvnni)) return pixels <= 8;  // one vpdpbusd does what takes two instructions of AVX2
  return kernel != isa::generic;
}

/// Bytes that conv_s4_pack() needs.
constexpr std::size_t conv_s4_pack_bytes(const conv_geometry& g, std::int32_t group, isa level) noexcept {
  return conv_impl::pack_bytes(g, group, conv_s4_kernel_for(level));
}

/// As conv_pack(); w must be (nibble of -8 .. 7) * scale everywhere, and nibbles_fit(g, w.group).
inline conv_packed conv_s4_pack(const conv_geometry& g, isa level, const conv_weights& w, std::ptrdiff_t row_bytes,
                                std::ptrdiff_t pixel_bytes, std::byte* memory) noexcept {
  return conv_impl::pack(g, conv_s4_kernel_for(level), w, row_bytes, pixel_bytes, memory);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
