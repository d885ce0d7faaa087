// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/max_pool_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/max_pool_f32/x86_avx512.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using max_pool_variants = kernel_list<max_pool_impl::x86_avx512, max_pool_impl::generic>;
#else
using max_pool_variants = kernel_list<max_pool_impl::generic>;
#endif

/// The function for one plane of f32, or null where no variant is better than the general loops.
inline max_pool_impl::plane_function max_pool_plane_for(isa level, const window_shape& s) noexcept {
  return max_pool_variants::choose(
      level, [&s]<class V>(std::type_identity<V>) -> max_pool_impl::plane_function { return V::plane_for(s); });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
