// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/depthwise_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/depthwise_f32/x86_avx2.hpp"
#endif

/// Rows of depthwise f32 convolutions.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using depthwise_variants = kernel_list<depthwise_impl::x86_avx2, depthwise_impl::generic>;
#else
using depthwise_variants = kernel_list<depthwise_impl::generic>;
#endif

inline depthwise_impl::run_function depthwise_run_for(isa level) noexcept {
  return depthwise_variants::choose(
      level, []<class V>(std::type_identity<V>) -> depthwise_impl::run_function { return &V::add; });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
