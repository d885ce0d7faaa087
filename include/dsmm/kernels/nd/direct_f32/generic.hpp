// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/fused.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::direct_impl {

/// sums[r][j] = sum over k of w[k][j] * x[at(r) + offsets[k]], for R pixels and the output channels of a panel.
/// Pixel r lies at r * Step; with two parts the second half of the pixels starts at `second`. w has `columns` of the
/// variant to a step of k and sums `columns` to a pixel, of which Half computes and writes the first half. Every sum is
/// one chain of fused multiply-adds in ascending k. Each step asks for the memory at `next` and goes `next_step` floats
/// further; it may lie anywhere.
using tile_function = void (*)(const float* x, std::ptrdiff_t second, const std::int32_t* offsets, const float* w,
                               std::int64_t depth, float* sums, const float* next, std::int64_t next_step) noexcept;

/// The specification. A build for a target with fused multiply-add turns it into vectors by itself.
struct generic {
  static constexpr isa required = isa::generic;
  static constexpr int rows = 4, columns = 16;

  template <int R, int Step, int Parts, bool Half>
  static void tile(const float* x, std::ptrdiff_t second, const std::int32_t* offsets, const float* w,
                   std::int64_t depth, float* sums, const float*, std::int64_t) noexcept {
    constexpr int used = Half ? columns / 2 : columns, part = R / Parts;
    float sum[R][used] = {};
    for (std::int64_t k = 0; k < depth; ++k, w += columns)
      for (int r = 0; r < R; ++r) {
        const float sample = x[offsets[k] + (r / part) * second + r % part * Step];
        for (int j = 0; j < used; ++j) sum[r][j] = fused::of_build::fma(sample, w[j], sum[r][j]);
      }
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < used; ++j) sums[r * columns + j] = sum[r][j];
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::direct_impl
