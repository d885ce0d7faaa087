// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/attention/avx512_table.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"
#include "dsmm/kernels/softmax_levels.hpp"

namespace dsmm::inline DSMM_ABI::kernels::attention_impl {

/// softmax_rounded() in registers, the same integers, for n = 0 too. Levels take the place of the scores, bytes.
/// scores  (n rounded up to 32), 64-byte aligned; what lies behind the n-th is not looked at.
/// p       (n rounded up to 32), 64-byte aligned; 0 behind the n-th, at least to `filled`.
class avx512_levels {
public:
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static void run(std::int32_t* scores, std::size_t n, std::size_t filled, std::int32_t offset, const softmax_levels& f,
                  std::int16_t* p) noexcept {
    auto* const levels = reinterpret_cast<std::uint8_t*>(scores);
    const __m256i top = round(scores, n, offset, f, levels);
    const std::int64_t sum = n == 0 ? 1 : weigh(levels, n, top, f.powers, p);
    const __m512 factor = _mm512_set1_ps(softmax_levels_factor(sum, f.step));
    const __m512i most = _mm512_set1_epi32(255 - f.zero);
    std::size_t j = 0;
    for (; j < n; j += 16) {
      const __m512i e = _mm512_maskz_cvtepu16_epi32(0xFFFF, _mm256_load_si256(reinterpret_cast<__m256i*>(p + j)));
      const __m512i level =
          _mm512_maskz_cvt_roundps_epi32(0xFFFF, _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, e), factor),
                                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      _mm256_store_si256(reinterpret_cast<__m256i*>(p + j),
                         _mm512_maskz_cvtepi32_epi16(0xFFFF, _mm512_maskz_min_epi32(0xFFFF, level, most)));
    }
    for (; j < filled; j += 16) _mm256_store_si256(reinterpret_cast<__m256i*>(p + j), _mm256_setzero_si256());
  }

private:
  static __mmask32 mask_of(std::size_t rest) noexcept {
    return rest >= 32 ? ~__mmask32{0} : (__mmask32{1} << rest) - 1;
  }

  /// Levels of the scores; the highest in every byte. Writing bytes where dwords were read never overtakes the reading.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static __m256i round(const std::int32_t* scores, std::size_t n, std::int32_t offset, const softmax_levels& f,
                       std::uint8_t* levels) noexcept {
    using scaled = requantize_impl::x86_avx512bw;
    const auto by =
        requantize_impl::factors512::of(_mm512_set1_epi32(f.score.multiplier), _mm512_set1_epi32(f.score.shift));
    conv_epilogue e;
    e.zero_point = f.zero_score;
    const auto clamp = requantize_impl::clamp512::of(e);
    const __m512i more = _mm512_set1_epi32(offset);
    __m256i top = _mm256_setzero_si256();
    for (std::size_t j = 0; j < n; j += 32) {
      const __m512i a = scaled::scale(_mm512_add_epi32(_mm512_load_si512(scores + j), more), by, clamp);
      const __m512i b = scaled::scale(_mm512_add_epi32(_mm512_load_si512(scores + j + 16), more), by, clamp);
      const __m256i bytes = _mm512_maskz_extracti64x4_epi64(0xF, scaled::narrow(a, b, a, b, clamp), 0);
      _mm256_store_si256(reinterpret_cast<__m256i*>(levels + j), bytes);
      top = _mm256_mask_max_epu8(top, mask_of(n - j), top, bytes);
    }
    alignas(32) std::uint8_t lane[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lane), top);
    std::uint8_t most = 0;
    for (const std::uint8_t l : lane) most = l > most ? l : most;
    return _mm256_set1_epi8(static_cast<char>(most));
  }

  /// The power of each level, u16, from eight registers by vpermi2w; their sum.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  static std::int64_t weigh(const std::uint8_t* levels, std::size_t n, __m256i top, const std::int32_t* powers,
                            std::int16_t* p) noexcept {
    __m512i table[8];
    for (std::size_t i = 0; i < 8; ++i) table[i] = words(powers + i * 32);
    const __m512i low = _mm512_set1_epi32(0xFFFF);
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t j = 0; j < n; j += 32) {
      const __m256i below = _mm256_subs_epu8(top, _mm256_load_si256(reinterpret_cast<const __m256i*>(levels + j)));
      const __m512i index = _mm512_maskz_cvtepu8_epi16(~__mmask32{0}, below);
      const __m512i e = _mm512_maskz_mov_epi16(mask_of(n - j), avx512_entries(table, index));
      _mm512_store_si512(p + j, e);
      sum = _mm512_add_epi32(sum, _mm512_add_epi32(_mm512_and_si512(e, low), _mm512_maskz_srli_epi32(0xFFFF, e, 16)));
    }
    alignas(64) std::uint32_t lane[16];
    _mm512_store_si512(lane, sum);
    std::int64_t total = 0;
    for (const std::uint32_t l : lane) total += l;
    return total;
  }

  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  __attribute__((always_inline)) static inline __m512i words(const std::int32_t* x) noexcept {
    const __m256i a = _mm512_maskz_cvtepi32_epi16(0xFFFF, _mm512_loadu_si512(x));
    const __m256i b = _mm512_maskz_cvtepi32_epi16(0xFFFF, _mm512_loadu_si512(x + 16));
    return _mm512_maskz_inserti64x4(0xFF, _mm512_castsi256_si512(a), b, 1);
  }
};

/// As avx512_levels::run.
inline void avx512_softmax_rounded(std::int32_t* scores, std::size_t n, std::size_t filled, std::int32_t offset,
                                   const softmax_levels& f, std::int16_t* p) noexcept {
  avx512_levels::run(scores, n, filled, offset, f, p);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::attention_impl
