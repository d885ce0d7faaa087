// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/math_target.hpp"

/// Nearest neighbours in a memory bank of features, as PatchCore looks for them (Roth et al., CVPR 2022). Distances are
/// exact integers, (q - b)^2 = q^2 + b^2 - 2 q b, and the products run on the u8 x s8 kernels, so every instruction set
/// and any order gives the same.
namespace dsmm::inline DSMM_ABI::kernels {

/// A bank made ready. Owns nothing: it points into the memory of nearest_pack().
struct nearest_bank {
  conv_packed product;                    ///< of features moved down by 128
  const std::int32_t* zeros = nullptr;    ///< what sums start with
  const std::int32_t* squares = nullptr;  ///< (count): sum of the squares of a feature
  std::int32_t count = 0, depth = 0;
};

/// Which feature of the bank, and how far: the squared Euclidean distance in steps of the common grid, at most 2^28.
struct neighbour {
  std::int32_t index = -1, distance = 0;
};

inline constexpr std::int32_t nearest_most_depth = 4096;  ///< so that all sums fit 32 bits
inline constexpr std::int32_t nearest_rows = 16;          ///< queries that pass over the bank together

namespace nearest_impl {

constexpr conv_geometry geometry_of(std::int32_t count, std::int32_t depth) noexcept {
  conv_geometry g;
  g.in_channels = depth;
  g.in_channels_padded = (depth + 3) / 4 * 4;
  g.out_channels = count;
  return g;
}

constexpr std::size_t words(std::int32_t n) noexcept { return round_up(static_cast<std::size_t>(n) * 4, 64); }

/// The first of the least squares[j] - 2 * products[j], if that is below `than`.
inline neighbour least_of(const std::int32_t* squares, const std::byte* products, std::int32_t n,
                          neighbour than) noexcept {
  std::int32_t least = than.distance;
  with_avx2([ squares, products, n, &least ]() __attribute__((always_inline)) {
    std::int32_t m = least;
    for (std::int32_t j = 0; j < n; ++j) {
      std::int32_t p;
      __builtin_memcpy(&p, products + std::ptrdiff_t{j} * 4, sizeof p);
      const std::int32_t v = squares[j] - 2 * p;
      m = v < m ? v : m;
    }
    least = m;
  });
  if (least == than.distance) return than;
  for (std::int32_t j = 0;; ++j) {
    std::int32_t p;
    __builtin_memcpy(&p, products + std::ptrdiff_t{j} * 4, sizeof p);
    if (squares[j] - 2 * p == least) return {j, least};
  }
}

}  // namespace nearest_impl

/// Bytes that nearest_pack() needs for `count` features of `depth` values, depth 1 to nearest_most_depth.
inline std::size_t nearest_pack_bytes(std::int32_t count, std::int32_t depth, isa level) noexcept {
  const conv_geometry g = nearest_impl::geometry_of(count, depth);
  return 2 * nearest_impl::words(static_cast<std::int32_t>(packed_channels(g))) + conv_pack_bytes(g, level);
}
/// Bytes of scratch for nearest_pack(), and for nearest().
constexpr std::size_t nearest_pack_scratch(std::int32_t count, std::int32_t depth) noexcept {
  return static_cast<std::size_t>(count) * static_cast<std::size_t>(depth);
}
constexpr std::size_t nearest_scratch(std::int32_t count) noexcept { return nearest_rows * nearest_impl::words(count); }

/// features  u8 (count, depth), dense, all on one grid with the queries.
/// memory    nearest_pack_bytes(), 64-byte aligned. scratch  nearest_pack_scratch().
inline nearest_bank nearest_pack(const std::uint8_t* features, std::int32_t count, std::int32_t depth, isa level,
                                 std::byte* memory, std::byte* scratch) noexcept {
  const conv_geometry g = nearest_impl::geometry_of(count, depth);
  const std::size_t channels = packed_channels(g), bytes = nearest_impl::words(static_cast<std::int32_t>(channels));
  auto* const zeros = reinterpret_cast<std::int32_t*>(memory);
  auto* const squares = reinterpret_cast<std::int32_t*>(memory + bytes);
  std::fill_n(zeros, channels, 0);
  std::fill_n(squares, channels, 0);
  auto* const w8 = reinterpret_cast<std::int8_t*>(scratch);
  for (std::int32_t j = 0; j < count; ++j)
    for (std::int32_t i = 0; i < depth; ++i) {
      const std::ptrdiff_t at = std::ptrdiff_t{j} * depth + i;
      squares[j] += features[at] * features[at];
      w8[at] = static_cast<std::int8_t>(features[at] - 128);
    }
  return {conv_pack(g, level, w8, depth, depth, memory + 2 * bytes), zeros, squares, count, depth};
}

/// The nearest feature of each query [begin, end), the first of equals. The bank holds at least one feature.
/// queries  u8 (rows, 1, depth), readable up to 3 bytes behind each.
/// scratch  nearest_scratch(), 64-byte aligned. Neither allocates nor fails. Cost: depth multiply-adds per pair.
inline void nearest(const nearest_bank& bank, const tensor_view<const std::uint8_t>& queries, std::int32_t begin,
                    std::int32_t end, neighbour* out, std::byte* scratch) noexcept {
  const auto pitch = static_cast<std::ptrdiff_t>(nearest_impl::words(bank.count) / 4);
  for (std::int32_t first = begin; first < end; first += nearest_rows) {
    const std::int32_t rows = std::min(nearest_rows, end - first);
    const tensor_view<const std::uint8_t> x{queries.at(first, 0), {rows, 1, bank.depth}, queries.row, queries.row};
    const tensor_view<std::int32_t> sums{reinterpret_cast<std::int32_t*>(scratch), {rows, 1, bank.count}, pitch, pitch};
    conv_rows_s32(bank.product, bank.zeros, x, sums, 0, rows);
    for (std::int32_t r = 0; r < rows; ++r) {
      const std::uint8_t* const q = queries.at(first + r, 0);
      std::int32_t square = 0, total = 0;
      for (std::int32_t i = 0; i < bank.depth; ++i) square += q[i] * q[i], total += q[i];
      neighbour best = nearest_impl::least_of(bank.squares, scratch + r * pitch * 4, bank.count, {-1, 0x7FFF'FFFF});
      best.distance += square - 256 * total;
      out[first + r] = best;
    }
  }
}

}  // namespace dsmm::inline DSMM_ABI::kernels
