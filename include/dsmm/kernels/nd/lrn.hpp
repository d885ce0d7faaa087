// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/lrn_f32.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace lrn_impl {

/// What it costs to normalise one element, in elements of a sum: a power by math64 takes far longer than the roots.
inline constexpr std::int64_t power_cost = 20;

struct factors {
  double alpha, beta, bias;  ///< alpha: of the sum, not of the mean
};

/// A run of elements of one channel; x points at them in the first of the `rows` channels that count, `own` of which
/// is theirs. Sums are made anew for each channel: one that went along would carry its rounding from one to the next.
template <class T>
void run(const T* x, std::size_t pitch, std::size_t rows, std::size_t own, const factors& f, T* y,
         std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    T sum{};
    for (std::size_t r = 0; r < rows; ++r) sum += x[r * pitch + i] * x[r * pitch + i];
    const double base = f.bias + f.alpha * static_cast<double>(sum);
    const double power =
        f.beta == 0.75 ? __builtin_sqrt(base) * __builtin_sqrt(__builtin_sqrt(base)) : math64::pow(base, f.beta);
    y[i] = static_cast<T>(static_cast<double>(x[own * pitch + i]) / power);
  }
}

/// The same in f32 for beta = 3/4.
inline void run_f32(const lrn_kernel& v, const float* x, std::size_t pitch, std::size_t rows, std::size_t own,
                    const factors& f, float* y, std::size_t n) noexcept {
  std::array<float, 512> sum;
  for (std::size_t i = 0; i < n; i += sum.size()) {
    const std::size_t count = std::min(sum.size(), n - i);
    v.squares(x + i, pitch, rows, sum.data(), count);
    v.divide(x + own * pitch + i, sum.data(), static_cast<float>(f.alpha), static_cast<float>(f.bias), y + i, count);
  }
}

}  // namespace lrn_impl

/// Attributes: size, alpha, beta, bias: y = x / (bias + alpha / size * sum of squares over neighbouring channels)^beta.
inline void nd_lrn(const call& c) noexcept {
  const view &x = c.in[0], &y = c.out[0];
  const std::int64_t size = c.attribute(0), channels = x.dims[1], plane = x.count(2);
  const lrn_impl::factors f{static_cast<double>(c.attribute_f32(1)) / static_cast<double>(size),
                            static_cast<double>(c.attribute_f32(2)), static_cast<double>(c.attribute_f32(3))};
  const lrn_kernel kernel = lrn_for(c.level);
  visit_real(x.type, [&]<class T>(T) {
    const std::int64_t grain = row_grain(plane * (size + lrn_impl::power_cost));
    for_runs(c.exec, x.dims[0] * channels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const std::int64_t channel = p % channels;
        const std::int64_t low = std::max<std::int64_t>(0, channel - (size - 1) / 2);
        const std::int64_t high = std::min(channels - 1, channel + size / 2);
        const T* const from = x.as<const T>() + (p - channel + low) * plane;
        T* const to = y.as<T>() + p * plane;
        const auto pitch = static_cast<std::size_t>(plane), rows = static_cast<std::size_t>(high - low + 1),
                   own = static_cast<std::size_t>(channel - low);
        if constexpr (std::is_same_v<T, float>)
          if (f.beta == 0.75) {
            lrn_impl::run_f32(kernel, from, pitch, rows, own, f, to, pitch);
            continue;
          }
        lrn_impl::run(from, pitch, rows, own, f, to, pitch);
      }
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
