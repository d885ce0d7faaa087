// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"

#if DSMM_X86
#include <xmmintrin.h>
#endif

namespace dsmm::inline DSMM_ABI {

/// Round to nearest even, subnormals kept, for the lifetime of the object; what the host had set comes back after.
/// A host linked with -ffast-math starts with flush-to-zero on: other bits than everywhere else.
class exact_float_mode {
public:
#if DSMM_X86
  exact_float_mode() noexcept : saved_(_mm_getcsr()) { _mm_setcsr(all_exceptions_masked); }
  ~exact_float_mode() { _mm_setcsr(saved_); }
#elif DSMM_ARM64
  exact_float_mode() noexcept {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
  }
  ~exact_float_mode() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }
#else
  exact_float_mode() noexcept {}
#endif
  exact_float_mode(const exact_float_mode&) = delete;
  exact_float_mode& operator=(const exact_float_mode&) = delete;

private:
#if DSMM_X86
  static constexpr unsigned all_exceptions_masked = 0x1F80;
  unsigned saved_;
#elif DSMM_ARM64
  std::uint64_t saved_ = 0;
#endif
};

}  // namespace dsmm::inline DSMM_ABI
