// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/requantize/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/requantize/x86_avx2.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"
#elif DSMM_ARM64
#include "dsmm/kernels/requantize/arm_neon.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using requantize_variants =
    kernel_list<requantize_impl::x86_avx512bw, requantize_impl::x86_avx2, requantize_impl::generic>;
#elif DSMM_ARM64
using requantize_variants = kernel_list<requantize_impl::arm_neon, requantize_impl::generic>;
#else
using requantize_variants = kernel_list<requantize_impl::generic>;
#endif

/// out[o] = the u8 of accumulator acc[o] of channel o, o < channels. The one rounding rule of core/quant.hpp.
inline void requantize_u8(isa level, const std::int32_t* acc, std::size_t channels, const conv_epilogue& e,
                          std::uint8_t* out) noexcept {
  requantize_variants::choose(level, [&]<class V>(std::type_identity<V>) { V::run(acc, channels, e, out); });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
