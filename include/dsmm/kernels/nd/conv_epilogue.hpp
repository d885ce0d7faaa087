// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/conv_epilogue/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/conv_epilogue/x86_avx512.hpp"
#endif

/// The ends of convolutions, tile by tile.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using conv_epilogue_variants = kernel_list<conv_impl::x86_avx512, conv_impl::generic>;
#else
using conv_epilogue_variants = kernel_list<conv_impl::generic>;
#endif

/// A variant as data.
struct conv_epilogue_kernel {
  decltype(&conv_impl::generic::rows) rows;
  decltype(&conv_impl::generic::transposed) transposed;
};

inline conv_epilogue_kernel conv_epilogue_for(isa level) noexcept {
  return conv_epilogue_variants::choose(level, []<class V>(std::type_identity<V>) -> conv_epilogue_kernel {
    return {&V::rows, &V::transposed};
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
