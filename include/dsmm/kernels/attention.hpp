// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/attention/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/attention/x86_avx2.hpp"
#include "dsmm/kernels/attention/x86_avx512vnni.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels {

#if DSMM_X86
using attention_variants =
    kernel_list<attention_impl::x86_avx512vnni, attention_impl::x86_avx2, attention_impl::generic>;
#else
using attention_variants = kernel_list<attention_impl::generic>;
#endif

/// The best variant for such a layer on a machine with `level`.
inline const attention_kernel& attention_kernel_for(isa level, const attention_call& call) noexcept {
  const attention_kernel* best = nullptr;
  attention_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (best == nullptr && covers(level, V::required) && V::takes(call)) best = &attention_kernel_of<V>;
  });
  return *best;
}

}  // namespace dsmm::inline DSMM_ABI::kernels
