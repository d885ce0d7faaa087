// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/fused.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

namespace math_target_impl {

/// f(M{}) if f asks how multiply-adds are fused, else f().
template <class M, class F>
[[gnu::always_inline]] inline void call(const F& f) noexcept {
  if constexpr (std::is_invocable_v<const F&, M>) f(M{});
  else f();
}

#if DSMM_X86
/// Asked once: the machine, and DSMM_ISA.
inline bool use_avx2() noexcept {
  static const bool use = [] {
    const result<isa> chosen = selected_isa();
    return chosen && covers(*chosen, isa::x86_avx2);
  }();
  return use;
}

template <class F>
DSMM_TARGET("avx2,fma")
void run_avx2(F f) noexcept {  // by value: stores through byte pointers cannot alias what f captured
  call<fused::hardware>(f);
}
#endif

}  // namespace math_target_impl

/// Runs f from a function compiled for AVX2 and FMA where the selected instruction set has both, else as the build is.
/// f must be a lambda with __attribute__((always_inline)), and what it calls must be inlined as well. One that fuses
/// multiply-adds takes how as a type, `<class M>(M)`, for fma<M>() and what is made of it; the bits are the same.
template <class F>
[[gnu::always_inline]] inline void with_avx2(const F& f) noexcept {
#if DSMM_X86
  if (math_target_impl::use_avx2()) return math_target_impl::run_avx2(f);
#endif
  math_target_impl::call<fused::of_build>(f);
}

}  // namespace dsmm::inline DSMM_ABI::kernels
