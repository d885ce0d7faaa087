// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/conv_epilogue/x86_avx512.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"
#include "dsmm/kernels/nd/depthwise_f32/generic.hpp"
#include "dsmm/kernels/nd/depthwise_f32/x86_avx2.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl {

/// Whole planes where they lie, with masks for what is padding, finished in registers. Windows of 3, 5 and 7 squared,
/// strides 1 and 2; other shapes go row by row as in the narrower variant.
struct x86_avx512 {
  static constexpr isa required = isa::x86_avx512bw;

  static void outputs(const run& r) noexcept { x86_avx2::outputs(r); }

  static plane_function plane_for(const window_shape& s) noexcept {
    const bool fits = s.kernel[0] == 1 && s.in[0] == 1 && s.out[0] == 1 && s.kernel[1] == s.kernel[2] &&
                      s.stride[1] == s.stride[2] && s.dilation[1] == 1 && s.dilation[2] == 1 && s.stride[2] <= 2;
    if (!fits) return nullptr;
    switch (s.kernel[1]) {
      case 3: return s.stride[1] == 1 ? &dense<3> : &halved<3>;
      case 5: return s.stride[1] == 1 ? &dense<5> : &halved<5>;
      case 7: return s.stride[1] == 1 ? &dense<7> : &halved<7>;
      default: return nullptr;
    }
  }

private:
  using ending = conv_impl::x86_avx512;

  /// Ones for the lanes l for which from + l lies in [0, size).
  [[gnu::always_inline]] static inline __mmask16 inside(std::int64_t from, std::int64_t size) noexcept {
    return static_cast<__mmask16>(ending::first_lanes(size - from) & ~ending::first_lanes(-from));
  }

  /// What a plane is finished with, and where.
  struct target {
    conv_impl::epilogue end;
    __m512 bias;
    float* y;
    std::int64_t offset;

    [[gnu::always_inline]] DSMM_TARGET("avx512f") inline void store(std::int64_t at, __m512 v,
                                                                    __mmask16 lanes) const noexcept {
      _mm512_mask_storeu_ps(y + at, lanes, ending::settle(end, v, bias, end.residual_at(offset + at), lanes));
    }
  };

  /// Adds one column of taps to the sums of K rows of outputs; sum[h] sees the row through tap row h.
  template <int K, int W, int... h>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline void add(std::integer_sequence<int, h...>,
                                                                       const __m512* factor, const float* w, __m512 v,
                                                                       __m512* sum) noexcept {
    if constexpr (K == 3) ((sum[h] = _mm512_fmadd_ps(factor[h * K + W], v, sum[h])), ...);
    else ((sum[h] = _mm512_fmadd_ps(_mm512_set1_ps(w[h * K + W]), v, sum[h])), ...);
  }

  /// One row of inputs, at `row`, for `Blocks` blocks of 16 columns.
  template <int K, int Blocks, int... w>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline void row(std::integer_sequence<int, w...>,
                                                                       const __m512* factor, const float* taps,
                                                                       const float* from, const __mmask16* mask,
                                                                       __m512* a, __m512* b) noexcept {
    constexpr std::make_integer_sequence<int, K> rows{};
    if constexpr (Blocks == 2)
      ((add<K, w>(rows, factor, taps, _mm512_maskz_loadu_ps(mask[w], from + w), a),
        add<K, w>(rows, factor, taps, _mm512_maskz_loadu_ps(mask[K + w], from + w + 16), b)),
       ...);
    else (add<K, w>(rows, factor, taps, _mm512_maskz_loadu_ps(mask[w], from + w), a), ...);
  }

  template <int K, int... h>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline void shift(std::integer_sequence<int, h...>,
                                                                         __m512* sum) noexcept {
    ((sum[K - 1 - h] = sum[K - 2 - h]), ...);
    sum[0] = _mm512_setzero_ps();
  }

  /// Columns [j, j + 16 * Blocks) of all rows: each row of inputs is loaded once for the K rows of outputs that see it.
  template <int K, int Blocks>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline void strip(const window_shape& s, const __m512* factor,
                                                                         const float* x, const float* w,
                                                                         const target& to, std::int64_t j) noexcept {
    constexpr std::make_integer_sequence<int, K> taps{};
    constexpr std::make_integer_sequence<int, K - 1> moved{};
    const std::int64_t width = s.out[2], left = j - s.pad[2];
    __mmask16 masks[2 * K], none[2 * K] = {};
    for (int k = 0; k < K; ++k) masks[k] = inside(left + k, s.in[2]), masks[K + k] = inside(left + 16 + k, s.in[2]);
    __m512 a[K] = {}, b[K] = {};
    for (std::int64_t t = 0; t < s.out[1] + K - 1; ++t) {
      const std::int64_t h = t - s.pad[1];
      const bool there = h >= 0 && h < s.in[1];
      row<K, Blocks>(taps, factor, w, x + (there ? h : 0) * s.in[2] + left, there ? masks : none, a, b);
      const std::int64_t at = (t - (K - 1)) * width + j;
      if (t >= K - 1) {
        to.store(at, a[K - 1], ending::first_lanes(width - j));
        if constexpr (Blocks == 2) to.store(at + 16, b[K - 1], ending::first_lanes(width - j - 16));
      }
      shift<K>(moved, a);
      if constexpr (Blocks == 2) shift<K>(moved, b);
    }
  }

  template <int K>
  DSMM_TARGET("avx512f")
  static void dense(const window_shape& s, const float* x, const float* w, const conv_impl::epilogue& e, float* y,
                    std::int64_t offset, std::int64_t channel) noexcept {
    __m512 factor[9];
    for (int k = 0; k < 9; ++k) factor[k] = _mm512_set1_ps(w[k]);
    const target to{plain(e), _mm512_set1_ps(e.bias_of(channel)), y, offset};
    std::int64_t j = 0;
    for (; j + 16 < s.out[2]; j += 32) strip<K, 2>(s, factor, x, w, to, j);
    if (j < s.out[2]) strip<K, 1>(s, factor, x, w, to, j);
    rest(s, e, y);
  }

  /// Two columns of taps from two loads: even lanes for the first, odd ones for the second.
  template <int K, int P>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      pair(const float* from, const __mmask16* mask, const float* w, __m512 sum) noexcept {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512 low = _mm512_maskz_loadu_ps(mask[2 * P], from + 2 * P);
    const __m512 high = _mm512_maskz_loadu_ps(mask[2 * P + 1], from + 2 * P + 16);
    sum = _mm512_fmadd_ps(_mm512_set1_ps(w[2 * P]), _mm512_permutex2var_ps(low, even, high), sum);
    if constexpr (2 * P + 1 < K) {
      const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
      sum = _mm512_fmadd_ps(_mm512_set1_ps(w[2 * P + 1]), _mm512_permutex2var_ps(low, odd, high), sum);
    }
    return sum;
  }
  template <int K, int... p>
  [[gnu::always_inline]] DSMM_TARGET("avx512f") static inline __m512
      pairs(std::integer_sequence<int, p...>, const float* from, const __mmask16* mask, const float* w,
            __m512 sum) noexcept {
    ((sum = pair<K, p>(from, mask, w, sum)), ...);
    return sum;
  }

  template <int K>
  DSMM_TARGET("avx512f")
  static void halved(const window_shape& s, const float* x, const float* w, const conv_impl::epilogue& e, float* y,
                     std::int64_t offset, std::int64_t channel) noexcept {
    const target to{plain(e), _mm512_set1_ps(e.bias_of(channel)), y, offset};
    for (std::int64_t j = 0; j < s.out[2]; j += 16) {
      const std::int64_t left = 2 * j - s.pad[2];
      __mmask16 masks[K + 1], none[K + 1] = {};
      for (int p = 0; p <= K / 2; ++p) {
        masks[2 * p] = inside(left + 2 * p, s.in[2]);
        masks[2 * p + 1] = inside(left + 2 * p + 16, s.in[2]);
      }
      for (std::int64_t o = 0; o < s.out[1]; ++o) {
        __m512 sum = _mm512_setzero_ps();
        for (int k = 0; k < K; ++k) {
          const std::int64_t h = 2 * o + k - s.pad[1];
          const bool there = h >= 0 && h < s.in[1];
          sum = pairs<K>(std::make_integer_sequence<int, K / 2 + 1>{}, x + (there ? h : 0) * s.in[2] + left,
                         there ? masks : none, w + k * K, sum);
        }
        to.store(o * s.out[2] + j, sum, ending::first_lanes(s.out[2] - j));
      }
    }
    rest(s, e, y);
  }

  /// What registers do, and what follows for the whole plane.
  static conv_impl::epilogue plain(conv_impl::epilogue e) noexcept {
    if (!e.plain()) e.act = unary_fn::identity;
    return e;
  }
  static void rest(const window_shape& s, const conv_impl::epilogue& e, float* y) noexcept {
    if (!e.plain()) unary_real(e.act, e.alpha, e.beta, y, y, static_cast<std::size_t>(s.outputs()));
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::depthwise_impl
