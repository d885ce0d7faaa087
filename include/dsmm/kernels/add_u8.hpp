// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/add_u8/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/add_u8/x86_avx512bw.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using add_variants = kernel_list<add_u8_impl::x86_avx512bw, add_u8_impl::generic>;
#else
using add_variants = kernel_list<add_u8_impl::generic>;
#endif

/// y = clamp(zp_y + ((a - zp_a) * Ma + (b - zp_b) * Mb + 2^19) >> 20), rows [y_begin, y_end). b has the shape of y, or
/// is one pixel for all, (1, 1, C); y may be one of the operands.
inline void add_u8(isa level, tensor_view<const std::uint8_t> a, tensor_view<const std::uint8_t> b,
                   tensor_view<std::uint8_t> y, const add_factors& factors, std::int32_t y_begin,
                   std::int32_t y_end) noexcept {
  b = eltwise_impl::broadcast(b, y.shape);
  add_variants::choose(level, [&]<class V>(std::type_identity<V>) { V::rows(a, b, y, factors, y_begin, y_end); });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
