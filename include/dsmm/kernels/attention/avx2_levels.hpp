// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/requantize/x86_avx2.hpp"
#include "dsmm/kernels/softmax_levels.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// softmax_rounded(), the same integers, for n = 0 too; the powers are read one by one. scores are overwritten and have
/// room for n rounded up to 16; p is 0 from n to `filled`, and has room for n rounded up to 16 too.
class avx2_levels {
public:
  DSMM_TARGET("avx2")
  static void run(std::int32_t* scores, std::size_t n, std::size_t filled, const softmax_levels& f,
                  std::int16_t* p) noexcept {
    auto* const levels = reinterpret_cast<std::uint8_t*>(p);  // bytes, until the probabilities take their place
    round(scores, n, f, levels);
    const std::int32_t top = n == 0 ? 0 : *std::max_element(levels, levels + n);
    std::int64_t sum = n == 0 ? 1 : 0;
    for (std::size_t j = 0; j < n; ++j) sum += scores[j] = f.powers[top - levels[j]];
    std::fill(scores + n, scores + round_up(n, 8), 0);
    const __m256 factor = _mm256_set1_ps(softmax_levels_factor(sum, f.step));
    const __m256i most = _mm256_set1_epi32(255 - f.zero);
    for (std::size_t j = 0; j < n; j += 8) {
      const __m256 real = _mm256_mul_ps(_mm256_cvtepi32_ps(load(scores + j)), factor);
      const __m256 whole = _mm256_round_ps(real, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      const __m256i level = _mm256_min_epi32(_mm256_cvtps_epi32(whole), most);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p + j),
                       _mm_packs_epi32(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1)));
    }
    for (std::size_t j = round_up(n, 8); j < filled; ++j) p[j] = 0;
  }

private:
  DSMM_TARGET("avx2")
  static void round(const std::int32_t* scores, std::size_t n, const softmax_levels& f, std::uint8_t* levels) noexcept {
    using scaled = requantize_impl::x86_avx2;
    std::int32_t multiplier[8], shift[8];
    std::fill_n(multiplier, 8, f.score.multiplier);
    std::fill_n(shift, 8, f.score.shift);
    const auto by = requantize_impl::factors256::of(multiplier, shift);
    conv_epilogue e;
    e.zero_point = f.zero_score;
    for (std::size_t j = 0; j < n; j += 16)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(levels + j),
                       scaled::narrow(scaled::scale(load(scores + j), by), scaled::scale(load(scores + j + 8), by), e));
  }

  DSMM_TARGET("avx2")
  __attribute__((always_inline)) static inline __m256i load(const std::int32_t* x) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  }
};

/// As avx2_levels::run.
inline void avx2_softmax_rounded(std::int32_t* scores, std::size_t n, std::size_t filled, const softmax_levels& f,
                                 std::int16_t* p) noexcept {
  avx2_levels::run(scores, n, filled, f, p);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
