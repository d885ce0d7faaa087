// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/fused.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl {

/// Memory that is read later: `step` floats of it to a step of k.
struct later {
  const float* at = nullptr;
  std::ptrdiff_t step = 0;
};

/// c[r][j] (+)= sum over k of a[k][r] * b[k][j], for up to `rows` rows and the first `count` columns of a panel.
/// a  packed, `rows` of the variant to a step of k whatever the tile uses; b  `pitch` floats from step to step, of
/// which `columns` may be read. first: c is written, else added to. Every element is one chain of fused multiply-adds
/// in ascending k: neither the width of a register nor the tile nor a cut along k can change a bit. next: what later
/// tiles read; a tile may ask for it along the way.
using tile_function = void (*)(const float* a, const float* b, std::ptrdiff_t pitch, std::size_t depth, float* c,
                               std::ptrdiff_t row, bool first, std::int64_t count, later next) noexcept;

/// Writes one panel of rows: packed[i * V::rows + r] = a[r * row + i] for r < count <= V::rows and i < k.
using pack_function = void (*)(const float* a, std::ptrdiff_t row, std::int64_t count, std::int64_t k,
                               float* packed) noexcept;

inline constexpr std::int64_t largest_tile = 16 * 32;  ///< floats

/// How much of a panel a tile writes.
enum class part { all, some, half };  ///< half: the first half or less, and only that is computed

template <int Rows>
inline void pack_blocks(const float* a, std::ptrdiff_t row, std::int64_t count, std::int64_t k,
                        float* packed) noexcept {
  constexpr std::int64_t block = 16;  // steps of all rows of a panel that stay in the first cache
  for (std::int64_t i0 = 0; i0 < k; i0 += block)
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t i = i0; i < std::min(i0 + block, k); ++i) packed[i * Rows + r] = a[r * row + i];
}

/// The specification. A build for a target with fused multiply-add turns it into vectors by itself.
struct generic {
  static constexpr isa required = isa::generic;
  static constexpr int rows = 4, columns = 16;

  static void pack(const float* a, std::ptrdiff_t row, std::int64_t count, std::int64_t k, float* packed) noexcept {
    pack_blocks<rows>(a, row, count, k, packed);
  }

  template <int R, part P>
  static void tile(const float* a, const float* b, std::ptrdiff_t pitch, std::size_t depth, float* c,
                   std::ptrdiff_t row, bool first, std::int64_t count, later) noexcept {
    constexpr int used = P == part::half ? columns / 2 : columns;
    float sum[R][used];
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < used; ++j) sum[r][j] = first || j >= count ? 0.0f : c[r * row + j];
    for (std::size_t k = 0; k < depth; ++k, a += rows, b += pitch)
      for (int r = 0; r < R; ++r)
        for (int j = 0; j < used; ++j) sum[r][j] = fused::of_build::fma(a[r], b[j], sum[r][j]);
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < used && j < count; ++j) c[r * row + j] = sum[r][j];
  }
};

/// The tiles of a variant for 1, 2, .. rows.
template <class V, part P>
inline constexpr auto tiles_of = []<int... R>(std::integer_sequence<int, R...>) {
  return std::array<tile_function, V::rows>{&V::template tile<R + 1, P>...};
}
(std::make_integer_sequence<int, V::rows>{});

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::gemm_impl
