// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

namespace math_target_impl {

#if DSMM_X86
template <class F>
DSMM_TARGET("avx2,fma")
void run_avx2(F f) noexcept {  // by value: stores through byte pointers cannot alias what f captured
  f();
}
#endif

}  // namespace math_target_impl

/// Runs f() from a function compiled for AVX2 and FMA where the CPU has both, else as the build is. The bits are the
/// same: a baseline build calls the C library's fmaf, which rounds once too, only about ten times slower.
/// f must be a lambda with __attribute__((always_inline)), and what it calls must be inlined as well.
template <class F>
[[gnu::always_inline]] inline void with_avx2(const F& f) noexcept {
#if DSMM_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return math_target_impl::run_avx2(f);
#endif
  f();
}

}  // namespace dsmm::inline DSMM_ABI::kernels
