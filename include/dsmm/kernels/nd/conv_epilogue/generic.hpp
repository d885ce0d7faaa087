// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/kernels/nd/view.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl {

/// What follows the sums. Planes are (batch * channels) x outputs.
struct epilogue {
  const std::byte* bias = nullptr;
  const std::byte* residual = nullptr;
  unary_fn act = unary_fn::identity;
  float alpha = 0.0f, beta = 0.0f;

  explicit epilogue(const call& c) noexcept
      : bias(c.in[2].data),
        residual(c.in[3].data),
        act(c.choice<unary_fn>(2)),
        alpha(c.attribute_f32(3)),
        beta(c.attribute_f32(4)) {}

  /// Whether the sums change before the activation.
  bool adds() const noexcept { return bias != nullptr || residual != nullptr || act == unary_fn::relu; }
  /// Whether a few instructions do for the activation.
  bool plain() const noexcept { return act == unary_fn::identity || act == unary_fn::relu || act == unary_fn::clip; }
  float bias_of(std::int64_t channel) const noexcept {
    return bias != nullptr ? reinterpret_cast<const float*>(bias)[channel] : 0.0f;
  }
  const float* residual_at(std::int64_t offset) const noexcept {
    return residual != nullptr ? reinterpret_cast<const float*>(residual) + offset : nullptr;
  }

  /// Finishes sums[p][0 .. channels) of pixels, `columns` floats to each, where there is no residual.
  void apply_pixels(float* sums, std::int64_t columns, std::int64_t pixels, std::int64_t channels,
                    std::int64_t channel) const noexcept {
    if (adds()) {
      const float* const add = bias != nullptr ? reinterpret_cast<const float*>(bias) + channel : nullptr;
      with_avx2([ sums, columns, pixels, channels, add ]() __attribute__((always_inline)) {
        for (std::int64_t p = 0; p < pixels; ++p)
          for (std::int64_t c = 0; c < channels; ++c) sums[p * columns + c] += add != nullptr ? add[c] : 0.0f;
      });
    }
    if (act == unary_fn::identity) return;
    const bool dense = channels == columns;
    for (std::int64_t p = 0; p < (dense ? 1 : pixels); ++p)
      unary_real(act, alpha, beta, sums + p * columns, sums + p * columns,
                 static_cast<std::size_t>(dense ? pixels * columns : channels));
  }

  /// y[0 .. n) of a plane; `offset` says where in y it lies.
  template <class T>
  void apply(T* y, std::int64_t offset, std::int64_t channel, std::int64_t n) const noexcept {
    const T add = bias != nullptr ? reinterpret_cast<const T*>(bias)[channel] : T{};
    const T* const other = residual != nullptr ? reinterpret_cast<const T*>(residual) + offset : nullptr;
    const bool relu = act == unary_fn::relu;
    if (bias != nullptr || other != nullptr || relu) {
      with_avx2([ y, n, add, other, relu ]() __attribute__((always_inline)) {
        if (other != nullptr && relu)
          for (std::int64_t i = 0; i < n; ++i) {
            const T v = y[i] + add + other[i];
            y[i] = v <= T{} ? T{} : v;
          }
        else if (other != nullptr)
          for (std::int64_t i = 0; i < n; ++i) y[i] = y[i] + add + other[i];
        else if (relu)
          for (std::int64_t i = 0; i < n; ++i) {
            const T v = y[i] + add;
            y[i] = v <= T{} ? T{} : v;
          }
        else
          for (std::int64_t i = 0; i < n; ++i) y[i] += add;
      });
    }
    if (!relu && act != unary_fn::identity) unary_real(act, alpha, beta, y, y, static_cast<std::size_t>(n));
  }
};

/// The specification.
struct generic {
  static constexpr isa required = isa::generic;

  /// Finishes y[r][0 .. count) for rows of `pitch` floats, one channel to a row from `channel` on; `offset` says where
  /// in all of y the first lies.
  static void rows(const epilogue& e, float* y, std::int64_t pitch, std::int64_t rows, std::int64_t offset,
                   std::int64_t channel, std::int64_t count) noexcept {
    for (std::int64_t r = 0; r < rows; ++r) e.apply(y + r * pitch, offset + r * pitch, channel + r, count);
  }

  /// y[c * plane + p] = the finished sums[p * columns + c] for `pixels` <= 16 pixels and `channels` <= columns channels
  /// from `channel` on. What follows the pixels in `sums`, up to 16 of them, may be read. Changes `sums`.
  static void transposed(const epilogue& e, float* sums, std::int64_t columns, std::int64_t pixels,
                         std::int64_t channels, float* y, std::int64_t plane, std::int64_t offset,
                         std::int64_t channel) noexcept {
    const bool late = e.residual != nullptr;
    if (!late) e.apply_pixels(sums, columns, pixels, channels, channel);
    for (std::int64_t c = 0; c < channels; ++c) {
      float* const to = y + c * plane;
      for (std::int64_t p = 0; p < pixels; ++p) to[p] = sums[p * columns + c];
      if (late) e.apply(to, offset + c * plane, channel + c, pixels);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl
