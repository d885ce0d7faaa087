// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cpuid.h>

#include <cstring>

#include "dsmm/core/sha256/generic.hpp"

namespace dsmm::inline DSMM_ABI::sha256_impl {

/// The SHA instructions (Goldmont, Zen, Ice Lake and later). Vector builtins instead of <immintrin.h>, which would cost
/// every unit that opens a model a third of a second.
struct x86_sha {
  static bool available() noexcept {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & (1u << 29)) == 0) return false;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & (1u << 9)) != 0 && (c & (1u << 19)) != 0;  // SSSE3, SSE4.1
  }

  DSMM_TARGET("sha,sse4.1,ssse3")
  static void fold(state& s, const std::byte* data, std::size_t blocks) noexcept {
    v4 abef = words(s[5], s[4], s[1], s[0]);
    v4 cdgh = words(s[7], s[6], s[3], s[2]);
    for (; blocks != 0; --blocks, data += 64) {
      const v4 abef_before = abef, cdgh_before = cdgh;
      bytes raw[4];
      std::memcpy(raw, data, 64);
      v4 m[4];
      for (int i = 0; i < 4; ++i) {
        m[i] = (v4)__builtin_shufflevector(raw[i], raw[i], 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
        four_rounds(abef, cdgh, m[i], i);
      }
      for (int i = 4; i < 16; i += 4) {
        schedule(m[0], m[1], m[2], m[3]);
        four_rounds(abef, cdgh, m[0], i);
        schedule(m[1], m[2], m[3], m[0]);
        four_rounds(abef, cdgh, m[1], i + 1);
        schedule(m[2], m[3], m[0], m[1]);
        four_rounds(abef, cdgh, m[2], i + 2);
        schedule(m[3], m[0], m[1], m[2]);
        four_rounds(abef, cdgh, m[3], i + 3);
      }
      abef += abef_before;
      cdgh += cdgh_before;
    }
    const state out{word(abef, 3), word(abef, 2), word(cdgh, 3), word(cdgh, 2),
                    word(abef, 1), word(abef, 0), word(cdgh, 1), word(cdgh, 0)};
    s = out;
  }

private:
  typedef std::uint32_t v4 __attribute__((vector_size(16)));
  typedef int s4 __attribute__((vector_size(16)));  // what the builtins are declared with
  typedef char bytes __attribute__((vector_size(16)));

  static v4 words(std::uint32_t w0, std::uint32_t w1, std::uint32_t w2, std::uint32_t w3) noexcept {
    return v4{w0, w1, w2, w3};
  }
  static std::uint32_t word(v4 v, int lane) noexcept { return v[lane]; }

  /// Rounds 4 * i .. 4 * i + 3 with message words m.
  DSMM_TARGET("sha,sse4.1,ssse3")
  static inline void four_rounds(v4& abef, v4& cdgh, v4 m, int i) noexcept {
    v4 k;
    std::memcpy(&k, round_constants.data() + 4 * i, 16);
    k += m;
    cdgh = (v4)__builtin_ia32_sha256rnds2((s4)cdgh, (s4)abef, (s4)k);
    abef = (v4)__builtin_ia32_sha256rnds2((s4)abef, (s4)cdgh, (s4)__builtin_shufflevector(k, k, 2, 3, 2, 3));
  }

  /// Replaces the oldest four message words by the next four.
  DSMM_TARGET("sha,sse4.1,ssse3")
  static inline void schedule(v4& m0, v4 m1, v4 m2, v4 m3) noexcept {
    const v4 w7 = __builtin_shufflevector(m2, m3, 1, 2, 3, 4);
    const v4 sum = (v4)__builtin_ia32_sha256msg1((s4)m0, (s4)m1) + w7;
    m0 = (v4)__builtin_ia32_sha256msg2((s4)sum, (s4)m3);
  }
};

}  // namespace dsmm::inline DSMM_ABI::sha256_impl
