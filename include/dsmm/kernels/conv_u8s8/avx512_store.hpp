// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/conv_u8s8/pixel_grid.hpp"
#include "dsmm/kernels/requantize/x86_avx512bw.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Where the sums of a panel of up to 48 channels go.
struct avx512_output {
  const conv_epilogue* epilogue;
  std::int32_t channel;                    ///< the first one
  std::int32_t valid;                      ///< channels to store, padding included
  std::ptrdiff_t y_step;                   ///< elements from a pixel of a run to the next
  requantize_impl::scaling how;            ///< u8 only
  requantize_impl::factors512 factors[3];  ///< u8 only

  /// stored: all channels of an output, padding included.
  DSMM_TARGET("avx512f,avx512bw,avx512vl")
  void set_panel(std::int32_t first, std::int32_t registers, std::int32_t stored, bool to_u8) noexcept {
    channel = first;
    valid = stored - first < registers * 16 ? stored - first : registers * 16;
    bool coarse = false;
    for (std::int32_t r = 0, o = first; to_u8 && r < registers; ++r, o += 16) {
      factors[r] = requantize_impl::factors512::of(epilogue->multiplier + o, epilogue->shift + o);
      coarse |= factors[r].coarse;
    }
    how = requantize_impl::scaling_of(*epilogue, coarse);
  }
};

/// Four registers of acc (Pixels, Registers * 16) from pixel i on as u8: 4 pixels of 16 channels, 2 of 32, or 1 of 48.
template <std::int32_t Registers, std::int32_t Pixels, requantize_impl::scaling How>
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((always_inline)) inline __m512i avx512_bytes(const __m512i* acc, const requantize_impl::factors512* f,
                                                           const requantize_impl::clamp512& clamp) noexcept {
  using scaled = requantize_impl::x86_avx512bw;
  const __m512i zero = _mm512_setzero_si512();
  __m512i v[4] = {zero, zero, zero, zero};
  v[0] = scaled::scale<How>(acc[0], f[0], clamp);
  if constexpr (Pixels * Registers > 1) v[1] = scaled::scale<How>(acc[1], f[1 % Registers], clamp);
  if constexpr (Pixels * Registers > 2) v[2] = scaled::scale<How>(acc[2], f[2 % Registers], clamp);
  if constexpr (Pixels * Registers > 3) v[3] = scaled::scale<How>(acc[3], f[3 % Registers], clamp);
  return scaled::narrow<How>(v[0], v[1], v[2], v[3], clamp);
}

/// Pixels: how many there are, or 0 where only `pixels` says it.
template <std::int32_t Registers, std::int32_t Run, std::int32_t Pixels, requantize_impl::scaling How>
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((always_inline)) inline void avx512_store_bytes(const avx512_output& out,
                                                              const pixel_run<std::uint8_t>* runs, std::int32_t pixels,
                                                              const std::int32_t* acc) noexcept {
  constexpr std::int32_t together = Registers == 3 ? 1 : 4 / Registers;
  requantize_impl::factors512 f[Registers];
  for (std::int32_t r = 0; r < Registers; ++r) f[r] = out.factors[r];
  const auto clamp = requantize_impl::clamp512::of(*out.epilogue);
  const std::uint64_t mask = ~std::uint64_t{0} >> (64 - out.valid);
  const auto mask32 = static_cast<__mmask32>(mask);
  const auto mask16 = static_cast<__mmask16>(mask);
  const std::ptrdiff_t step = out.y_step;
  const auto* c = reinterpret_cast<const __m512i*>(acc);
  const auto at = [&](std::int32_t i) { return runs[i / Run].y + i % Run * step; };
  std::int32_t i = 0;
  for (; i + together <= pixels; i += together, c += together * Registers) {
    const __m512i bytes = avx512_bytes<Registers, together, How>(c, f, clamp);
    if constexpr (Registers == 3) {
      _mm512_mask_storeu_epi8(at(i), mask, bytes);
    } else if constexpr (Registers == 2) {
      _mm256_mask_storeu_epi8(at(i), mask32, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 0));
      _mm256_mask_storeu_epi8(at(i + 1), mask32, _mm512_maskz_extracti64x4_epi64(0xF, bytes, 1));
    } else {
      _mm_mask_storeu_epi8(at(i), mask16, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 0));
      _mm_mask_storeu_epi8(at(i + 1), mask16, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 1));
      _mm_mask_storeu_epi8(at(i + 2), mask16, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 2));
      _mm_mask_storeu_epi8(at(i + 3), mask16, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 3));
    }
  }
  if constexpr (Pixels == 0 ? together > 1 : Pixels % together != 0)
    for (; i < pixels; ++i, c += Registers)
      _mm512_mask_storeu_epi8(at(i), mask, avx512_bytes<Registers, 1, How>(c, f, clamp));
}

template <std::int32_t Registers, std::int32_t Run, std::int32_t Pixels>
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((always_inline)) inline void avx512_store_pixels(const avx512_output& out,
                                                               const pixel_run<std::uint8_t>* runs, std::int32_t pixels,
                                                               const std::int32_t* acc) noexcept {
  using requantize_impl::scaling;
  switch (out.how) {
    case scaling::float_unclamped:
      return avx512_store_bytes<Registers, Run, Pixels, scaling::float_unclamped>(out, runs, pixels, acc);
    case scaling::by_float:
      return avx512_store_bytes<Registers, Run, Pixels, scaling::by_float>(out, runs, pixels, acc);
    case scaling::fine: return avx512_store_bytes<Registers, Run, Pixels, scaling::fine>(out, runs, pixels, acc);
    case scaling::coarse: return avx512_store_bytes<Registers, Run, Pixels, scaling::coarse>(out, runs, pixels, acc);
  }
}

template <std::int32_t Registers, std::int32_t Run, std::int32_t Pixels>
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((always_inline)) inline void avx512_store_pixels(const avx512_output& out, const pixel_run<float>* runs,
                                                               std::int32_t pixels, const std::int32_t* acc) noexcept {
  const __m512 floor = _mm512_set1_ps(out.epilogue->relu ? 0.0f : -__builtin_inff());
  const bool sums = out.epilogue->sums;
  for (std::int32_t i = 0; i < pixels; ++i)
    for (std::int32_t r = 0; r < Registers; ++r) {
      const std::int32_t rest = out.valid - r * 16;
      const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xFFFFu : (1u << (rest > 0 ? rest : 0)) - 1);
      float* const y = runs[i / Run].y + i % Run * out.y_step + r * 16;
      const __m512i sum = _mm512_load_si512(acc + (i * Registers + r) * 16);
      if (sums) {
        _mm512_mask_storeu_epi32(y, mask, sum);
        continue;
      }
      const __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, sum),
                                     _mm512_loadu_ps(out.epilogue->factor + out.channel + r * 16));
      _mm512_mask_storeu_ps(y, mask, _mm512_maskz_max_ps(0xFFFF, v, floor));
    }
}

/// acc (Pixels, Registers * 16) through the epilogue. A function of its own: inlined behind the loop of dot products,
/// it makes g++ spill accumulators inside that loop.
template <std::int32_t Registers, std::int32_t Run, std::int32_t Pixels, class T>
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((noinline)) void avx512_store(const avx512_output& out, const pixel_run<T>* runs,
                                            const std::int32_t* acc) noexcept {
  avx512_store_pixels<Registers, Run, Pixels>(out, runs, Pixels, acc);
}

/// The same for up to 16 pixels of one run.
template <std::int32_t Registers, class T>
DSMM_TARGET("avx512f,avx512bw,avx512vl")
__attribute__((noinline)) void avx512_store_run(const avx512_output& out, const pixel_run<T>& run, std::int32_t pixels,
                                                const std::int32_t* acc) noexcept {
  avx512_store_pixels<Registers, 16, 0>(out, &run, pixels, acc);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
