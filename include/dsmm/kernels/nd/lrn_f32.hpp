// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/lrn_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/lrn_f32/x86_avx2.hpp"
#endif

/// Local response normalisation of f32 with the exponent 3/4.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using lrn_variants = kernel_list<lrn_impl::x86_avx2, lrn_impl::generic>;
#else
using lrn_variants = kernel_list<lrn_impl::generic>;
#endif

/// A variant as data.
struct lrn_kernel {
  decltype(&lrn_impl::generic::squares) squares;
  decltype(&lrn_impl::generic::divide) divide;
};

inline lrn_kernel lrn_for(isa level) noexcept {
  return lrn_variants::choose(
      level, []<class V>(std::type_identity<V>) -> lrn_kernel { return {V::squares, V::divide}; });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
