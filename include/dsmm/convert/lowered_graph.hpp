// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert {

using dim_list = std::vector<std::int64_t>;
inline constexpr std::uint32_t no_value = 0xFFFF'FFFF;

/// Scales of a constant that was dequantized from 8 bits: one, or one per index of an axis.
struct constant_scales {
  std::vector<float> scale;
  std::int64_t axis = 0;
};

struct value_type {
  dtype type = dtype::f32;
  dim_list dims;
};

/// A tensor of the graph under construction: an input, what an op computes, or a constant.
struct lowered_value {
  dtype type = dtype::f32;
  dim_list dims;
  bool is_input = false, is_constant = false;
  std::string name{};                  ///< inputs
  std::span<const std::byte> bytes{};  ///< constants: dense, row-major
  std::shared_ptr<const std::vector<std::byte>> owned{};
  std::uint32_t same_as = no_value;  ///< a reshape: the value whose elements these are, in the same order
  std::shared_ptr<const constant_scales> scales{};               ///< constants: what they are multiples of
  std::shared_ptr<const std::vector<std::uint32_t>> elements{};  ///< set if it is a sequence, which no op ever sees
  std::uint64_t roots = 0;  ///< bit i: depends on the elements of graph input i (bit 63: of one behind 62)
};

struct lowered_op {
  op_kind kind{};
  std::string name;
  std::vector<std::uint32_t> inputs;  ///< no_value marks an absent one
  std::vector<std::uint32_t> outputs;
  std::vector<std::int32_t> attributes;
};

struct lowered_port {
  std::string name;
  std::uint32_t value = no_value;
};

/// General operators in the order in which they run.
struct lowered_graph {
  std::deque<lowered_value> values;  ///< references stay valid while it grows
  std::vector<lowered_op> ops;
  std::vector<lowered_port> inputs, outputs;
};

/// Product of extents; nothing if it leaves 2^62 or an extent is negative.
inline std::int64_t count_of(const dim_list& dims) noexcept {
  std::int64_t n = 1;
  for (const std::int64_t d : dims)
    if (d == 0) return 0;
  for (const std::int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(n, d, &n) || n > std::int64_t{1} << 62) return -1;
  return n;
}

}  // namespace dsmm::inline DSMM_ABI::convert
