// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"

/// Small transposes in registers, written once for every instruction set with the compiler's vector types.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace weave_impl {

typedef std::uint8_t bytes16 __attribute__((vector_size(16)));
typedef std::int32_t words4 __attribute__((vector_size(16)));

/// One of log2(16) equal steps: each row meets the one half the rows further.
[[gnu::always_inline]] inline void weave(const bytes16* a, bytes16* b) noexcept {
  for (int i = 0; i < 8; ++i) {
    b[2 * i] = __builtin_shufflevector(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    b[2 * i + 1] =
        __builtin_shufflevector(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

}  // namespace weave_impl

/// 16 rows of 16 bytes, each XORed with `flip`, become 16 columns. Steps are those between rows.
[[gnu::always_inline]] inline void transpose_bytes16(const std::uint8_t* from, std::ptrdiff_t from_step,
                                                     std::uint8_t* to, std::ptrdiff_t to_step,
                                                     std::uint8_t flip) noexcept {
  using namespace weave_impl;
  bytes16 a[16], b[16];
  for (int i = 0; i < 16; ++i) {
    std::memcpy(&a[i], from + i * from_step, 16);
    a[i] ^= flip;
  }
  weave(a, b);
  weave(b, a);
  weave(a, b);
  weave(b, a);
  for (int i = 0; i < 16; ++i) std::memcpy(to + i * to_step, &a[i], 16);
}

/// 4 rows of 4 words at `from` become the 4 vectors of out.
[[gnu::always_inline]] inline void transpose_words4(const std::int32_t* from, std::ptrdiff_t from_step,
                                                    weave_impl::words4* out) noexcept {
  using namespace weave_impl;
  words4 r[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&r[i], from + i * from_step, 16);
  const words4 a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const words4 c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  out[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  out[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  out[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  out[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
