// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::reduce_f32_impl {

/// The 64 lanes are four registers.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  DSMM_TARGET("avx512f")
  static float sum(const float* x, std::size_t n) noexcept { return lanes<false>(x, n, 0.0f); }
  DSMM_TARGET("avx512f")
  static float squares(const float* x, std::size_t n, float centre) noexcept { return lanes<true>(x, n, centre); }

  DSMM_TARGET("avx512f")
  static float largest(const float* x, std::size_t n) noexcept {
    const __m512 lowest = _mm512_set1_ps(-math_impl::infinity);
    __m512 most = lowest;
    __mmask16 nan = 0;
    for (; n > 0; x += 16, n -= n < 16 ? n : 16) {
      const auto lanes = static_cast<__mmask16>(n >= 16 ? 0xFFFFu : (1u << n) - 1u);
      const __m512 v = _mm512_mask_loadu_ps(lowest, lanes, x);
      nan = static_cast<__mmask16>(nan | _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q));
      most = _mm512_maskz_max_ps(0xFFFF, v, most);
    }
    if (nan != 0) return quiet_nan;
    alignas(64) float t[16];
    _mm512_store_ps(t, most);
    const __m128 a =
        _mm_max_ps(_mm_max_ps(_mm_load_ps(t), _mm_load_ps(t + 8)), _mm_max_ps(_mm_load_ps(t + 4), _mm_load_ps(t + 12)));
    const __m128 b = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1))) + 0.0f;
  }

private:
  template <bool Squares>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 term(__m512 x, __m512 centre) noexcept {
    if constexpr (!Squares) return x;
    const __m512 d = _mm512_sub_ps(x, centre);
    return _mm512_mul_ps(d, d);
  }

  template <bool Squares>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline float lanes(const float* x, std::size_t n,
                                                                          float centre) noexcept {
    const __m512 c = _mm512_set1_ps(centre);
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    for (; n >= 64; n -= 64, x += 64) {
      s0 = _mm512_add_ps(s0, term<Squares>(_mm512_loadu_ps(x), c));
      s1 = _mm512_add_ps(s1, term<Squares>(_mm512_loadu_ps(x + 16), c));
      s2 = _mm512_add_ps(s2, term<Squares>(_mm512_loadu_ps(x + 32), c));
      s3 = _mm512_add_ps(s3, term<Squares>(_mm512_loadu_ps(x + 48), c));
    }
    s0 = rest<Squares>(s0, x, n, 0, c);
    s1 = rest<Squares>(s1, x, n, 16, c);
    s2 = rest<Squares>(s2, x, n, 32, c);
    s3 = rest<Squares>(s3, x, n, 48, c);
    alignas(64) float t[16];  // lane l takes l + 32, then l + 16, then the rest of the tree
    _mm512_store_ps(t, _mm512_add_ps(_mm512_add_ps(s0, s2), _mm512_add_ps(s1, s3)));
    const __m128 a = _mm_add_ps(_mm_load_ps(t), _mm_load_ps(t + 8));
    const __m128 b = _mm_add_ps(_mm_load_ps(t + 4), _mm_load_ps(t + 12));
    const __m128 four = _mm_add_ps(a, b), two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return canonical(_mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1))));
  }

  /// The lanes [first, first + 16) take what is left of n.
  template <bool Squares>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      rest(__m512 s, const float* x, std::size_t n, std::size_t first, __m512 c) noexcept {
    if (n <= first) return s;
    const auto mask = static_cast<__mmask16>(n - first >= 16 ? 0xFFFFu : (1u << (n - first)) - 1u);
    return _mm512_mask_add_ps(s, mask, s, term<Squares>(_mm512_maskz_loadu_ps(mask, x + first), c));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::reduce_f32_impl
