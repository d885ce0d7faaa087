// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/nd/functions.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::unary_impl {

/// The formulas of kernels/math.hpp and math32.hpp, operation by operation. A power of two is applied by one
/// instruction that rounds once, as the two multiplications there do.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  /// y[i] = f(x[i]); x may be y.
  template <unary_fn f>
  DSMM_TARGET("avx512f")
  static void map(float a, float, const float* x, float* y, std::size_t n) noexcept {
    const __m512 alpha = _mm512_set1_ps(a);
    for (; n >= 16; n -= 16, x += 16, y += 16) _mm512_storeu_ps(y, one<f>(_mm512_loadu_ps(x), alpha));
    if (n == 0) return;
    const auto lanes = static_cast<__mmask16>((1u << n) - 1u);
    _mm512_mask_storeu_ps(y, lanes, one<f>(_mm512_maskz_loadu_ps(lanes, x), alpha));
  }

private:
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 set(float v) noexcept { return _mm512_set1_ps(v); }
  /// yes where the mask says so, else no.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      choose(__mmask16 mask, __m512 yes, __m512 no) noexcept {
    return _mm512_mask_mov_ps(no, mask, yes);
  }
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 with_nan(__m512 x, __m512 y) noexcept {
    return choose(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), set(quiet_nan), y);
  }
  /// Which NaN a product gives depends on the order of its operands, and compilers choose that.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 canonical(__m512 y) noexcept {
    return with_nan(y, y);
  }
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 signs(__m512 x) noexcept {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MIN)));
  }
  /// The bits of both; for a sign.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 joined(__m512 x, __m512 y) noexcept {
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(x), _mm512_castps_si512(y)));
  }
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 flipped(__m512 x, __m512 sign) noexcept {
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(x), _mm512_castps_si512(sign)));
  }

  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 exp(__m512 x) noexcept {
    const __m512 c = least(most(x, set(-105.0f)), set(89.5f));  // NaN becomes -105
    const __m512 shifted = _mm512_fmadd_ps(c, set(0x1.715476p+0f), set(math_impl::to_integer));
    const __m512 n = _mm512_sub_ps(shifted, set(math_impl::to_integer));
    const __m512 r = _mm512_fmadd_ps(n, set(-0x1.7f7d1cp-20f), _mm512_fmadd_ps(n, set(-0x1.62e4p-1f), c));
    __m512 q = set(0x1.6a2362p-10f);
    q = _mm512_fmadd_ps(q, r, set(0x1.123a62p-7f));
    q = _mm512_fmadd_ps(q, r, set(0x1.5558f4p-5f));
    q = _mm512_fmadd_ps(q, r, set(0x1.555490p-3f));
    q = _mm512_fmadd_ps(q, r, set(0x1.fffffcp-2f));
    const __m512 p = _mm512_add_ps(set(1.0f), _mm512_fmadd_ps(_mm512_mul_ps(r, r), q, r));
    return with_nan(x, _mm512_maskz_scalef_ps(0xFFFF, p, n));
  }
  /// The second operand where one is NaN.
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 most(__m512 x, __m512 y) noexcept {
    return _mm512_maskz_max_ps(0xFFFF, x, y);
  }
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 least(__m512 x, __m512 y) noexcept {
    return _mm512_maskz_min_ps(0xFFFF, x, y);
  }

  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 sigmoid(__m512 x) noexcept {
    const __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    const __m512 e = exp(choose(below, x, flipped(x, set(-0.0f))));
    return _mm512_div_ps(choose(below, e, set(1.0f)), _mm512_add_ps(set(1.0f), e));
  }

  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 tanh(__m512 x) noexcept {
    const __m512 s = _mm512_mul_ps(x, x), sign = signs(x), m = flipped(x, sign);
    __m512 q = set(0x1.197b7ep-9f);
    q = _mm512_fmadd_ps(q, s, set(-0x1.0c2146p-7f));
    q = _mm512_fmadd_ps(q, s, set(0x1.6394dap-6f));
    q = _mm512_fmadd_ps(q, s, set(-0x1.b9ef7cp-5f));
    q = _mm512_fmadd_ps(q, s, set(0x1.11106cp-3f));
    q = _mm512_fmadd_ps(q, s, set(-0x1.555554p-2f));
    const __m512 large =
        _mm512_sub_ps(set(1.0f), _mm512_div_ps(set(2.0f), _mm512_add_ps(exp(_mm512_add_ps(m, m)), set(1.0f))));
    const __mmask16 small = _mm512_cmp_ps_mask(m, set(0.625f), _CMP_LT_OQ);
    return with_nan(x, joined(choose(small, _mm512_fmadd_ps(_mm512_mul_ps(s, q), m, m), large), sign));
  }

  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 erf(__m512 x) noexcept {
    const __m512 s = _mm512_mul_ps(x, x), sign = signs(x), a = flipped(x, sign);
    __m512 p = set(-0x1.449784p-17f);
    p = _mm512_fmadd_ps(p, s, set(0x1.d89ff4p-14f));
    p = _mm512_fmadd_ps(p, s, set(-0x1.bcd3a4p-11f));
    p = _mm512_fmadd_ps(p, s, set(0x1.562abep-8f));
    p = _mm512_fmadd_ps(p, s, set(-0x1.b829d0p-6f));
    p = _mm512_fmadd_ps(p, s, set(0x1.ce2f0ap-4f));
    p = _mm512_fmadd_ps(p, s, set(-0x1.812746p-2f));
    p = _mm512_fmadd_ps(p, s, set(0x1.06eba8p-3f));
    const __m512 t = least(a, set(4.0f));
    __m512 q = set(-0x1.1abb46p-24f);
    q = _mm512_fmadd_ps(q, t, set(0x1.9f6e6ap-19f));
    q = _mm512_fmadd_ps(q, t, set(-0x1.f7e4c0p-15f));
    q = _mm512_fmadd_ps(q, t, set(0x1.6105d6p-11f));
    q = _mm512_fmadd_ps(q, t, set(-0x1.490f26p-8f));
    q = _mm512_fmadd_ps(q, t, set(0x1.ba5c1ap-6f));
    q = _mm512_fmadd_ps(q, t, set(-0x1.c646dcp-4f));
    q = _mm512_fmadd_ps(q, t, set(-0x1.431e14p-1f));
    q = _mm512_fmadd_ps(q, t, set(-0x1.216f4cp+0f));
    q = _mm512_fmadd_ps(q, t, set(0x1.a3f488p-12f));
    const __m512 rest = _mm512_sub_ps(set(1.0f), exp(q)), large = joined(flipped(rest, signs(rest)), sign);
    const __mmask16 small = _mm512_cmp_ps_mask(a, set(1.0f), _CMP_LT_OQ);
    return with_nan(x, choose(small, _mm512_fmadd_ps(x, p, x), large));
  }

  template <unary_fn f>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 one(__m512 x, __m512 alpha) noexcept {
    using enum unary_fn;
    if constexpr (f == exp) return x86_avx512::exp(x);
    else if constexpr (f == sigmoid) return x86_avx512::sigmoid(x);
    else if constexpr (f == silu) return canonical(_mm512_mul_ps(x, x86_avx512::sigmoid(_mm512_mul_ps(alpha, x))));
    else if constexpr (f == tanh) return x86_avx512::tanh(x);
    else if constexpr (f == erf) return x86_avx512::erf(x);
    else if constexpr (f == gelu) return half_of(x, x86_avx512::erf(_mm512_mul_ps(x, set(0x1.6a09e6p-1f))));
    else {
      static_assert(f == gelu_tanh);
      const __m512 cubic = _mm512_mul_ps(_mm512_mul_ps(set(0x1.6e4e26p-5f), x), x);
      return half_of(x, x86_avx512::tanh(_mm512_mul_ps(set(0x1.988454p-1f), _mm512_fmadd_ps(cubic, x, x))));
    }
  }
  /// x / 2 * (1 + y)
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512 half_of(__m512 x, __m512 y) noexcept {
    return canonical(_mm512_mul_ps(_mm512_mul_ps(set(0.5f), x), _mm512_add_ps(set(1.0f), y)));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::unary_impl
