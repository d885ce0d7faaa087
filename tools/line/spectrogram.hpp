// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "tools/line/grey_image.hpp"
#include "tools/line/sine.hpp"

namespace dsmm::inline DSMM_ABI::line {

namespace detail {

inline constexpr std::size_t fft_size = 256;

/// In-place radix-2 transform of 256 complex values.
inline void fft(std::array<float, fft_size>& re, std::array<float, fft_size>& im) noexcept {
  for (std::size_t i = 1, j = 0; i < fft_size; ++i) {
    std::size_t bit = fft_size / 2;
    for (; (j & bit) != 0; bit /= 2) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(re[i], re[j]), std::swap(im[i], im[j]);
  }
  for (std::size_t half = 1; half < fft_size; half *= 2)
    for (std::size_t k = 0; k < half; ++k) {
      const auto turn = static_cast<std::uint32_t>(k * (0x8000'0000u / half));
      const float c = cosine(turn), s = -sine(turn);
      for (std::size_t i = k; i < fft_size; i += 2 * half) {
        const float r = c * re[i + half] - s * im[i + half], m = c * im[i + half] + s * re[i + half];
        re[i + half] = re[i] - r, im[i + half] = im[i] - m;
        re[i] = re[i] + r, im[i] = im[i] + m;
      }
    }
}

/// Twice the binary logarithm, linear between powers of two: enough for grey levels, exact everywhere.
inline float coarse_log2(float v) noexcept {
  int exponent = 0;
  const float mantissa = std::frexp(v, &exponent);
  return static_cast<float>(exponent) + 2 * mantissa - 2;
}

}  // namespace detail

/// Time from left to right, frequency from bottom to top, 256 x 128: 12 grey levels per doubling of power above
/// `floor`.
inline void draw_spectrogram(std::span<const float> samples, float floor, std::uint8_t* out) {
  using namespace detail;
  constexpr int width = 256, height = 128;
  std::array<float, fft_size> re{}, im{};
  for (int x = 0; x < width; ++x) {
    const std::size_t first = (samples.size() - fft_size) * static_cast<std::size_t>(x) / (width - 1);
    for (std::size_t i = 0; i < fft_size; ++i) {
      const float hann = 0.5f - 0.5f * cosine(static_cast<std::uint32_t>(i << 24));
      re[i] = samples[first + i] * hann, im[i] = 0;
    }
    fft(re, im);
    for (int y = 0; y < height; ++y) {
      const auto bin = static_cast<std::size_t>(height - 1 - y);
      const float power = (re[bin] * re[bin] + im[bin] * im[bin]) / (floor * floor) + 1e-6f;
      out[y * width + x] = static_cast<std::uint8_t>(std::clamp(12 * coarse_log2(power), 0.0f, 255.0f));
    }
  }
}

}  // namespace dsmm::inline DSMM_ABI::line
