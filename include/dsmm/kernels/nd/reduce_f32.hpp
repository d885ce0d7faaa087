// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/reduce_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/reduce_f32/x86_avx512.hpp"
#endif

/// Sums and maxima of rows, for means, variances, softmax and reductions. The instruction set is the selected one of
/// the process.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using reduce_f32_variants = kernel_list<reduce_f32_impl::x86_avx512, reduce_f32_impl::generic>;
#else
using reduce_f32_variants = kernel_list<reduce_f32_impl::generic>;
#endif

/// A variant as data.
struct reduce_f32_kernel {
  decltype(&reduce_f32_impl::generic::sum) sum;
  decltype(&reduce_f32_impl::generic::squares) squares;
  decltype(&reduce_f32_impl::generic::largest) largest;
};

inline reduce_f32_kernel reduce_f32_for(isa level) noexcept {
  return reduce_f32_variants::choose(level, []<class V>(std::type_identity<V>) -> reduce_f32_kernel {
    return {&V::sum, &V::squares, &V::largest};
  });
}

inline const reduce_f32_kernel& selected_reduce_f32() noexcept {
  static const reduce_f32_kernel chosen = reduce_f32_for(selected_isa() ? *selected_isa() : isa::generic);
  return chosen;
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
