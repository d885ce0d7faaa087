// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd {

/// Copies a few floats without a call; what lies behind `n` stays.
[[gnu::always_inline]] inline void copy_floats(float* to, const float* from, std::int64_t n) noexcept {
  for (; n >= 8; n -= 8, to += 8, from += 8) std::memcpy(to, from, 32);
  if (n >= 4) {
    std::memcpy(to, from, 16);
    n -= 4, to += 4, from += 4;
  }
  for (; n > 0; --n, ++to, ++from) std::memcpy(to, from, 4);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
