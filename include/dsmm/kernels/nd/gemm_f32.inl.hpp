// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/gemm_f32/x86_avx2.hpp"
#include "dsmm/kernels/nd/gemm_f32/x86_avx512.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using gemm_variants = kernel_list<gemm_impl::x86_avx512, gemm_impl::x86_avx2, gemm_impl::generic>;
#else
using gemm_variants = kernel_list<gemm_impl::generic>;
#endif

template <class V>
inline constexpr gemm_kernel gemm_kernel_of{V::rows,
                                            V::columns,
                                            gemm_impl::tiles_of<V, gemm_impl::part::all>.data(),
                                            gemm_impl::tiles_of<V, gemm_impl::part::some>.data(),
                                            gemm_impl::tiles_of<V, gemm_impl::part::half>.data(),
                                            &V::pack};

DSMM_INLINE const gemm_kernel& gemm_kernel_for(isa level) noexcept {
  return *gemm_variants::choose(
      level, []<class V>(std::type_identity<V>) -> const gemm_kernel* { return &gemm_kernel_of<V>; });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
