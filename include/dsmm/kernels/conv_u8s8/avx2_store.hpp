// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/requantize/x86_avx2.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Where the sums of a panel of 16 channels go.
struct avx2_output {
  const conv_epilogue* epilogue;
  std::int32_t channel;                    ///< the first one
  std::size_t valid;                       ///< channels to store, padding included
  requantize_impl::factors256 factors[2];  ///< u8 only

  /// stored: all channels of an output, padding included.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline avx2_output of(const conv_epilogue& e, std::int32_t channel,
                                                              std::int32_t stored, bool to_u8) noexcept {
    avx2_output o;
    o.epilogue = &e;
    o.channel = channel;
    o.valid = static_cast<std::size_t>(stored - channel < 16 ? stored - channel : 16);
    for (std::int32_t r = 0; to_u8 && r < 2; ++r)
      o.factors[r] = requantize_impl::factors256::of(e.multiplier + channel + r * 8, e.shift + channel + r * 8);
    return o;
  }

  /// Dot products of 16 channels, without bias.
  DSMM_TARGET("avx2")
  __attribute__((always_inline)) inline void store(std::uint8_t* y, __m256i low, __m256i high) const noexcept {
    using scaled = requantize_impl::x86_avx2;
    const std::int32_t* const bias = epilogue->bias + channel;
    low = scaled::scale(_mm256_add_epi32(low, requantize_impl::factors256::load(bias)), factors[0]);
    high = scaled::scale(_mm256_add_epi32(high, requantize_impl::factors256::load(bias + 8)), factors[1]);
    const __m128i bytes = scaled::narrow(low, high, *epilogue);
    if (valid == 16) _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
    else std::memcpy(y, &bytes, valid);
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) inline void store(float* y, __m256i low, __m256i high) const noexcept {
    const __m256 floor = _mm256_set1_ps(epilogue->relu ? 0.0f : -__builtin_inff());
    const std::int32_t* const bias = epilogue->bias + channel;
    low = _mm256_add_epi32(low, requantize_impl::factors256::load(bias));
    high = _mm256_add_epi32(high, requantize_impl::factors256::load(bias + 8));
    alignas(32) float v[16];
    if (epilogue->sums) {
      _mm256_store_ps(v, _mm256_castsi256_ps(low));
      _mm256_store_ps(v + 8, _mm256_castsi256_ps(high));
      std::memcpy(y, v, valid * sizeof *v);
      return;
    }
    const float* const factor = epilogue->factor + channel;
    const __m256 a = _mm256_cvtepi32_ps(low), b = _mm256_cvtepi32_ps(high);
    _mm256_store_ps(v, _mm256_max_ps(_mm256_mul_ps(a, _mm256_loadu_ps(factor)), floor));
    _mm256_store_ps(v + 8, _mm256_max_ps(_mm256_mul_ps(b, _mm256_loadu_ps(factor + 8)), floor));
    std::memcpy(y, v, valid * sizeof *v);
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
