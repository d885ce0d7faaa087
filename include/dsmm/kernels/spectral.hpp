// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/fft.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/reduce.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Constants of a spectral front end.
struct spectral_factors {
  std::int32_t size = 0;                ///< W, samples under the window
  std::int32_t bands = 0;               ///< B
  const float* table = nullptr;         ///< make_fft_table(size)
  const float* window = nullptr;        ///< (W)
  const std::int32_t* edges = nullptr;  ///< (B + 1), not descending, in [0, W / 2 + 1]
};

/// Values per channel: B bands, level, peak, kurtosis.
constexpr std::int32_t spectral_values(std::int32_t bands) noexcept { return bands + 3; }

/// Bytes of scratch, 4-byte aligned, that one call of spectral() needs; calls that run at once need one each.
constexpr std::size_t spectral_scratch_bytes(std::int32_t size) noexcept {
  return (fft_scratch_floats(size) + static_cast<std::size_t>(size) / 2 + 1) * sizeof(float);
}

namespace spectral_impl {

/// log2 of the mean square, log2 of the peak and the kurtosis of n strided samples.
template <class M>
[[gnu::always_inline]] inline void describe(const float* x, std::ptrdiff_t stride, std::int32_t samples,
                                            float* y) noexcept {
  const auto n = static_cast<std::size_t>(samples);
  const float count = static_cast<float>(samples);
  const auto at = [=](std::size_t i) __attribute__((always_inline)) {
    return x[static_cast<std::ptrdiff_t>(i) * stride];
  };
  const float mean = sum_of(n, at) / count;
  const auto centred = [=](std::size_t i) __attribute__((always_inline)) { return at(i) - mean; };
  const auto squared = [=](std::size_t i) __attribute__((always_inline)) { return centred(i) * centred(i); };
  const float mean_square = sum_of_products<M>(n, at, at) / count;
  const float m2 = sum_of_products<M>(n, centred, centred) / count;
  const float m4 = sum_of_products<M>(n, squared, squared) / count;
  float peak = 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    const float magnitude = choose(at(i) < 0.0f, -at(i), at(i));
    peak = choose(magnitude > peak, magnitude, peak);
  }
  y[0] = log2<M>(0x1p-20f + mean_square);
  y[1] = choose(mean == mean, log2<M>(0x1p-10f + peak), quiet_nan);
  y[2] = canonical(m4 / fma<M>(m2, m2, 0x1p-20f));
}

}  // namespace spectral_impl

/// Features of channels [c_begin, c_end): per band log2(2^-20 + sum of |X[k]|^2 / W) of the windowed newest W samples,
/// then of the N new samples alone log2(2^-20 + mean square), log2(2^-10 + peak), m4 / (m2^2 + 2^-20).
/// past  f32 (W, 1, C), oldest first, the new samples already in it.   fresh  f32 (N, 1, C), N >= 1.
/// y     f32 (C * (B + 3)), channel after channel. A NaN under the window makes a channel's bands quiet_nan, one among
///       the new samples all its values.
/// Cost: O(W log W + N) per channel, whatever the history.
inline void spectral(tensor_view<const float> past, tensor_view<const float> fresh, const spectral_factors& factors,
                     float* y, std::int32_t c_begin, std::int32_t c_end, std::byte* scratch) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    const spectral_factors f = factors;
    auto* power = reinterpret_cast<float*>(scratch) + fft_scratch_floats(f.size);
    for (std::int32_t c = c_begin; c < c_end; ++c) {
      const float* samples = past.data + c;
      const std::ptrdiff_t stride = past.row;
      const auto windowed = [=](std::int32_t t) __attribute__((always_inline)) {
        return samples[t * stride] * f.window[t];
      };
      power_spectrum(windowed, f.size, f.table, power, reinterpret_cast<float*>(scratch));
      float* out = y + std::ptrdiff_t{c} * spectral_values(f.bands);
      for (std::int32_t b = 0; b < f.bands; ++b) {
        const float* from = power + f.edges[b];
        const auto bins = static_cast<std::size_t>(f.edges[b + 1] - f.edges[b]);
        const auto bin = [from](std::size_t i) __attribute__((always_inline)) { return from[i]; };
        out[b] = log2<M>(0x1p-20f + sum_of(bins, bin) / static_cast<float>(f.size));
      }
      spectral_impl::describe<M>(fresh.data + c, fresh.row, fresh.shape.h, out + f.bands);
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
