// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

inline constexpr std::int32_t fft_min_size = 32, fft_max_size = 4096;

/// A power of two in [32, 4096].
constexpr bool fft_size_fits(std::int32_t size) noexcept {
  return size >= fft_min_size && size <= fft_max_size && (size & (size - 1)) == 0;
}

namespace fft_impl {

/// sin and cos of x in [0, pi / 4] by their series, in f64: 1e-16 of error, so nearly every f32 is the nearest one,
/// and all of them are the same everywhere.
inline double sine(double x) noexcept {
  const double s = x * x;
  double p = 1.0 / 355687428096000.0;
  for (const double c : {-1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0,
                         1.0 / 120.0, -1.0 / 6.0, 1.0})
    p = __builtin_fma(p, s, c);
  return p * x;
}

inline double cosine(double x) noexcept {
  const double s = x * x;
  double p = 1.0 / 20922789888000.0;
  for (const double c : {-1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0, 1.0 / 40320.0, -1.0 / 720.0,
                         1.0 / 24.0, -1.0 / 2.0, 1.0})
    p = __builtin_fma(p, s, c);
  return p;
}

/// cos(2 pi k / size), 0 <= k <= size / 2; reduced to an octant in integers.
inline double cosine_of_turn(std::int32_t k, std::int32_t size) noexcept {
  if (4 * k > size) return -cosine_of_turn(size / 2 - k, size);
  const double unit = 0x1.921fb54442d18p+2 / size;
  return 8 * k <= size ? cosine(k * unit) : sine((size / 4 - k) * unit);
}

}  // namespace fft_impl

/// Floats of the table of an FFT.
constexpr std::size_t fft_table_floats(std::int32_t size) noexcept { return static_cast<std::size_t>(size); }

/// table  cos(2 pi k / size), k < size / 2, then the sines.
inline void make_fft_table(std::int32_t size, float* table) noexcept {
  for (std::int32_t k = 0; k < size / 2; ++k) {
    const std::int32_t from_quarter = k < size / 4 ? size / 4 - k : k - size / 4;
    table[k] = static_cast<float>(fft_impl::cosine_of_turn(k, size));
    table[size / 2 + k] = static_cast<float>(fft_impl::cosine_of_turn(from_quarter, size));  // sin a = cos(pi / 2 - a)
  }
}

namespace fft_impl {

/// n complex values as two arrays.
struct complex_span {
  float* re;
  float* im;
};

/// Complex FFT of n values in `a`, a power of two; Stockham's order, so nothing is bit-reversed. `b` is scratch.
/// table of a real FFT of 2 * n. Returns whichever of a and b holds the spectrum.
[[gnu::always_inline]] inline complex_span transform(complex_span a, complex_span b, std::int32_t n,
                                                     const float* table) noexcept {
  for (std::int32_t half = n / 2, run = 1; half != 0; half /= 2, run *= 2) {
    for (std::int32_t p = 0; p < half; ++p) {
      const float c = table[2 * p * run], s = table[n + 2 * p * run];  // e^(-i pi p / half) = c - i s
      const float *re0 = a.re + run * p, *im0 = a.im + run * p, *re1 = re0 + n / 2, *im1 = im0 + n / 2;
      float *sum_re = b.re + 2 * run * p, *sum_im = b.im + 2 * run * p;
      float *turned_re = sum_re + run, *turned_im = sum_im + run;
      for (std::int32_t q = 0; q < run; ++q) {
        const float dr = re0[q] - re1[q], di = im0[q] - im1[q];
        sum_re[q] = re0[q] + re1[q];
        sum_im[q] = im0[q] + im1[q];
        turned_re[q] = fma(dr, c, di * s);
        turned_im[q] = fma(di, c, -(dr * s));
      }
    }
    const complex_span next = b;
    b = a;
    a = next;
  }
  return a;
}

}  // namespace fft_impl

/// Floats of scratch that power_spectrum() needs.
constexpr std::size_t fft_scratch_floats(std::int32_t size) noexcept { return 2 * static_cast<std::size_t>(size); }

/// power[k] = |X[k]|^2, X[k] = sum_t x[t] e^(-2 pi i k t / size), k = 0 .. size / 2.
/// input(t) returns x[t]; power has size / 2 + 1 values. Relative to the largest |X|, an error below 1e-6.
template <class Input>
[[gnu::always_inline]] inline void power_spectrum(const Input& input, std::int32_t size, const float* table,
                                                  float* power, float* scratch) noexcept {
  const std::int32_t n = size / 2;
  const fft_impl::complex_span a{scratch, scratch + n}, b{scratch + 2 * n, scratch + 3 * n};
  for (std::int32_t t = 0; t < n; ++t) {  // two reals travel as one complex value
    a.re[t] = input(2 * t);
    a.im[t] = input(2 * t + 1);
  }
  const fft_impl::complex_span z = fft_impl::transform(a, b, n, table);
  for (std::int32_t k = 0; k <= n; ++k) {
    const std::int32_t low = k == n ? 0 : k, high = k == 0 ? 0 : n - k;
    const float c = k == n ? -1.0f : table[k], s = k == n ? 0.0f : table[n + k];
    const float dr = z.re[low] - z.re[high], di = z.im[low] + z.im[high];
    const float re = (z.re[low] + z.re[high]) + fma(c, di, -(s * dr));
    const float im = (z.im[low] - z.im[high]) - fma(s, di, c * dr);
    power[k] = 0.25f * fma(re, re, im * im);
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels
