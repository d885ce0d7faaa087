// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/sums_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/sums_f32/x86_avx512.hpp"
#endif

/// Sums of rows, for means, variances and reductions. The instruction set is the selected one of the process.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using sums_variants = kernel_list<sums_impl::x86_avx512, sums_impl::generic>;
#else
using sums_variants = kernel_list<sums_impl::generic>;
#endif

/// A variant as data.
struct sums_kernel {
  decltype(&sums_impl::generic::sum) sum;
  decltype(&sums_impl::generic::squares) squares;
};

inline sums_kernel sums_for(isa level) noexcept {
  return sums_variants::choose(level, []<class V>(std::type_identity<V>) -> sums_kernel {
    return {&V::sum, &V::squares};
  });
}

inline const sums_kernel& selected_sums() noexcept {
  static const sums_kernel chosen = sums_for(selected_isa() ? *selected_isa() : isa::generic);
  return chosen;
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
