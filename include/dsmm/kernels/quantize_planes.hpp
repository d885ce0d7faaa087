// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/quantize_planes/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/quantize_planes/x86_avx512bw.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using quantize_planes_variants = kernel_list<quantize_planes_impl::x86_avx512bw, quantize_planes_impl::generic>;
#else
using quantize_planes_variants = kernel_list<quantize_planes_impl::generic>;
#endif

/// As quantize() of the (H, W, C) picture whose planes x holds, channel after channel; rows [y_begin, y_end).
inline void quantize_planes(isa level, const float* x, const float* scale, const float* offset,
                            const tensor_view<std::uint8_t>& y, std::int32_t zero_point, std::int32_t y_begin,
                            std::int32_t y_end) noexcept {
  quantize_planes_variants::choose(
      level, [&]<class V>(std::type_identity<V>) { V::rows(x, scale, offset, y, zero_point, y_begin, y_end); });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
