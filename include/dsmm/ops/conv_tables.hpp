// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/kernels/i4s.hpp"
#include "dsmm/kernels/requantize/generic.hpp"
#include "dsmm/model/verify/tensors.hpp"
#include "dsmm/ops/op.hpp"

/// What every convolution-like op derives from its constants: int8 weights and the per-channel epilogue.
namespace dsmm::inline DSMM_ABI::ops {

/// Bytes that dense_weights() unpacks into: none for int8 weights, which are read where they lie in the file.
inline std::size_t dense_bytes(const op_view& op, std::uint32_t i) noexcept {
  const format::tensor_row& w = op.input(i);
  return type_of(w) == dtype::i4s ? static_cast<std::size_t>(verify_impl::elements(w)) : 0;
}

/// The weights of constant input `i` as int8, (rows, depth) dense. temporary  at least dense_bytes(op, i) bytes.
inline std::span<const std::int8_t> dense_weights(const op_view& op, std::uint32_t i, std::size_t rows,
                                                  std::size_t depth, std::span<std::byte> temporary) noexcept {
  if (type_of(op.input(i)) != dtype::i4s) return {op.constant<std::int8_t>(i), rows * depth};
  auto* const w8 = reinterpret_cast<std::int8_t*>(temporary.data());
  kernels::expand_i4s(op.constant<std::uint8_t>(i), rows, depth, op.input(i).group, w8);
  return {w8, rows * depth};
}

/// Per-channel epilogue of acc -> y, arrays of `channels` rounded up to a multiple of 64 (zeros behind).
struct conv_tables {
  std::int32_t* bias = nullptr;        ///< bias - zp_x * sum of the channel's weights
  std::int32_t* multiplier = nullptr;  ///< u8 output: the factor x.scale * w.scale / y.scale
  std::int32_t* shift = nullptr;
  float* factor = nullptr;  ///< f32 output: x.scale * w.scale
  bool by_float = false;    ///< u8 output: conv_epilogue::by_float

  static constexpr std::size_t padded(std::size_t channels) noexcept { return round_up(channels, 64); }
  static constexpr std::size_t bytes(std::size_t channels) noexcept { return padded(channels) * 16; }
};

/// The factor of a channel with the 24 bits of an f32, so that kernels may scale in integers or in f32. False outside
/// [2^-32, 1).
constexpr bool make_channel_factor(double real, fixed_point& out) noexcept {
  if (!(real >= 0x1p-32) || !(real < 1.0)) return false;
  const float rounded = static_cast<float>(real);
  return make_fixed_point(rounded < 1.0f ? rounded : 0x1.fffffep-1f, out);
}

/// Fills the tables from inputs x (0), bias (2), scale (3) and the op's output. Errors: bad_value.
inline result<conv_tables> fill_conv_tables(const op_view& op, std::span<const std::int8_t> w8, std::size_t channels,
                                            std::byte* memory) noexcept {
  const std::size_t padded = conv_tables::padded(channels), depth = w8.size() / channels;
  auto* const words = reinterpret_cast<std::int32_t*>(memory);
  conv_tables t{words, words + padded, words + 2 * padded, reinterpret_cast<float*>(words + 3 * padded)};
  for (std::size_t o = 0; o < padded; ++o) t.shift[o] = 31;
  const quantization x = quantization_of(op.input(0)), y = quantization_of(op.output());
  const bool to_u8 = type_of(op.output()) == dtype::u8;
  t.by_float = to_u8;
  for (std::size_t o = 0; o < channels; ++o) {
    std::int32_t sum = 0, positive = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      const std::int32_t w = w8[o * depth + k];
      sum += w;
      positive += w > 0 ? w : 0;
    }
    t.bias[o] = op.constant<std::int32_t>(2)[o] - x.zero_point * sum;
    const float scale = op.constant<float>(3)[o];
    t.factor[o] = x.scale * scale;
    if (!to_u8) continue;
    fixed_point f;
    if (!make_channel_factor(static_cast<double>(x.scale) * static_cast<double>(scale) / static_cast<double>(y.scale),
                             f))
      return op.fail(errc::bad_value, "input scale x weight scale / output scale must lie in [2^-32, 1): recalibrate");
    const std::int64_t lowest = t.bias[o] + std::int64_t{255} * (sum - positive);
    t.by_float = t.by_float && kernels::fits_float(lowest, t.bias[o] + std::int64_t{255} * positive, f);
    t.multiplier[o] = f.multiplier;
    t.shift[o] = f.shift;
  }
  return t;
}

}  // namespace dsmm::inline DSMM_ABI::ops
