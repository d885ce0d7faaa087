// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer/op_scope.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/tensors.hpp"

/// Last layer of the verifier: the values of weights. `where` is the op's index.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// |low nibble - 8| + |high nibble - 8| of a byte of two weights.
inline constexpr auto nibble_pair_sum = [] {
  std::array<std::uint8_t, 256> t{};
  const auto distance = [](std::size_t u) { return u < 8 ? 8 - u : u - 8; };
  for (std::size_t b = 0; b < 256; ++b) t[b] = static_cast<std::uint8_t>(distance(b & 15) + distance(b >> 4));
  return t;
}();

/// Sum of |w8| over one output channel of an s8 weight.
inline std::int64_t weight_sum_s8(std::span<const std::byte> row) noexcept {
  std::int64_t sum = 0;
  for (const std::byte b : row) {
    const auto w = static_cast<std::int8_t>(b);
    sum += w < 0 ? -w : w;
  }
  return sum;
}

/// Sum of |w8| over one output channel of an i4s weight: `bytes` of nibbles, and one scale per `group` values.
/// Groups are even, so none starts inside a byte. An odd last byte counts its unused nibble too.
inline std::int64_t weight_sum_i4s(std::span<const std::byte> nibbles, std::span<const std::byte> scales,
                                   std::size_t group) noexcept {
  const std::size_t step = group == 0 ? nibbles.size() : group / 2;
  std::int64_t sum = 0;
  for (std::size_t at = 0, g = 0; at < nibbles.size(); at += step, ++g) {
    std::int64_t part = 0;
    for (const std::byte b : nibbles.subspan(at, std::min(step, nibbles.size() - at)))
      part += nibble_pair_sum[std::to_integer<std::size_t>(b)];
    sum += part * (group == 0 ? 16 : std::to_integer<std::int64_t>(scales[g]));
  }
  return sum;
}

/// An accumulator must not overflow for any input: sum |w8| * 255 + |bias| < 2^31 for every output channel.
inline result<void> check_accumulators(const model_rows& rows) noexcept {
  for (std::size_t i = 0; i < rows.ops.size(); ++i) {
    const auto kind = static_cast<op_kind>(rows.ops[i].kind);
    if (kind != op_kind::conv2d && kind != op_kind::dwconv2d && kind != op_kind::linear &&
        kind != op_kind::causal_conv1d)
      continue;
    const infer_impl::op_scope op(rows, i);
    const format::tensor_row& w = op.input(1);
    const std::span<const std::byte> bytes = op.bytes(w);
    const auto channels = static_cast<std::size_t>(w.dims[0]), per_channel = static_cast<std::size_t>(depth(w));
    const bool packed = static_cast<dtype>(w.type) == dtype::i4s;
    const std::size_t row = packed ? (per_channel + 1) / 2 : per_channel;
    const std::size_t groups = w.group == 0 ? 0 : (per_channel + w.group - 1) / w.group;
    const std::span<const std::byte> scales = bytes.subspan(channels * row);
    if (packed &&
        std::any_of(scales.begin(), scales.end(), [](std::byte s) { return s == std::byte{0} || s > std::byte{16}; }))
      return op.fail(errc::bad_value, "op: integer scales of i4s weights must be 1 to 16");
    for (std::size_t c = 0; c < channels; ++c) {
      const std::int64_t bias = op.element<std::int32_t>(op.input(2), c);
      const std::int64_t offset = bias < 0 ? -bias : bias;
      constexpr std::int64_t limit = std::int64_t{1} << 31;
      if (static_cast<std::int64_t>(per_channel) * (128 * 255) + offset < limit) continue;  // whatever the weights are
      const std::int64_t sum =
          packed ? weight_sum_i4s(bytes.subspan(c * row, row), scales.subspan(c * groups, groups), w.group)
                 : weight_sum_s8(bytes.subspan(c * row, row));
      if (sum * 255 + offset >= limit)
        return op.fail(errc::too_large,
                       "op: an accumulator could overflow 32 bits; use smaller weights or a smaller bias");
    }
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
