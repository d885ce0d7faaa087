// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/softmax_int.hpp"
#include "dsmm/kernels/softmax_levels.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Constants of an attention layer; docs/ops.md has the formulas.
struct attention_factors {
  std::int32_t heads = 1;
  bool causal = false;
  std::int32_t distances = 0;        ///< L, rows of r and rb; 0 if both are absent
  const std::int8_t* r = nullptr;    ///< (L, D) on the scale of k, or null
  const std::int32_t* rb = nullptr;  ///< (heads, L) on the scale of q times k, |rb| <= 2^30, or null
  std::int32_t zero_q = 0, zero_k = 0, zero_v = 0, zero_y = 0;
  fixed_point score;  ///< F(16 * q.scale * k.scale * log2(e) / sqrt(D / heads)); of no use with levels
  fixed_point value;  ///< F(v.scale * step of a probability / y.scale), the step 2^-14 without levels
  softmax_levels levels;

  bool rounds() const noexcept { return levels.powers != nullptr; }
};

/// Fills the zero points and fixed factors; `heads` is set. False if D is no multiple of heads, if D / heads exceeds
/// 4096 or if a factor is outside what fixed_point holds (q.scale * k.scale must stay below 0.043 * sqrt(D / heads)).
inline bool make_attention_factors(std::int32_t depth, const quantization& q, const quantization& k,
                                   const quantization& v, const quantization& y, attention_factors& out) noexcept {
  if (out.heads < 1 || depth % out.heads != 0 || depth / out.heads > 4096) return false;
  constexpr double log2_e = 1.4426950408889634;
  const double step = static_cast<double>(q.scale) * static_cast<double>(k.scale);
  out.zero_q = q.zero_point;
  out.zero_k = k.zero_point;
  out.zero_v = v.zero_point;
  out.zero_y = y.zero_point;
  return make_softmax_factor(step * log2_e / std::sqrt(static_cast<double>(depth / out.heads)), out.score) &&
         make_fixed_point(static_cast<double>(v.scale) / (0x1p14 * static_cast<double>(y.scale)), out.value);
}

/// The same where scores and probabilities are rounded to levels of their own; the zero points and powers of out.levels
/// are set. No 1 / sqrt(D / heads) but what `score`, the step of a score of scale 1, makes of it.
/// probability  its scale, at least 2^-16.
inline bool make_rounded_attention_factors(std::int32_t depth, const quantization& q, const quantization& k,
                                           const quantization& v, const quantization& y, float score, float probability,
                                           attention_factors& out) noexcept {
  if (out.heads < 1 || depth % out.heads != 0 || depth / out.heads > 4096) return false;
  const double step = static_cast<double>(q.scale) * static_cast<double>(k.scale);
  out.zero_q = q.zero_point;
  out.zero_k = k.zero_point;
  out.zero_v = v.zero_point;
  out.zero_y = y.zero_point;
  out.levels.step = static_cast<double>(probability);
  return make_fixed_point(step / static_cast<double>(score), out.levels.score) &&
         make_fixed_point(out.levels.step * static_cast<double>(v.scale) / static_cast<double>(y.scale), out.value);
}

/// Multi-head attention of Tq queries over Tk keys, exact integers:
///   S[i][j] = sum_d (q - zp_q) * (k - zp_k + r[dist]) + rb[head][dist] + bias[head][i][j]
///   dist = (Tk - 1 - j) - (Tq - 1 - i)
///   y[i] = clamp(zp_y + rq(sum_j softmax_q14(S[i])[j] * (v - zp_v), F)), or softmax_rounded() with levels
/// q (Tq, 1, D), k and v (Tk, 1, D), y (Tq, 1, D). Tk <= 2^16. y must not overlap q, k or v.
struct attention_call {
  tensor_view<const std::uint8_t> q, k, v;
  tensor_view<std::uint8_t> y;
  attention_factors factors;
  const std::int32_t* bias = nullptr;  ///< (heads, Tq, Tk), or (Tq, Tk) for all heads; on the scale of rb, or null
  bool bias_by_head = false;

  /// (Tk), or null.
  const std::int32_t* bias_row(std::int32_t head, std::int32_t i) const noexcept {
    if (bias == nullptr) return nullptr;
    return bias + (std::ptrdiff_t{bias_by_head ? head : 0} * queries() + i) * keys();
  }

  std::int32_t queries() const noexcept { return q.shape.h; }
  std::int32_t keys() const noexcept { return k.shape.h; }
  std::int32_t head_depth() const noexcept { return q.shape.c / factors.heads; }
  /// How many keys query i sees; the key of distance 0 is the last of them if the layer is causal.
  std::int32_t keys_of(std::int32_t i) const noexcept {
    return factors.causal ? std::clamp(keys() - queries() + i + 1, 0, keys()) : keys();
  }
};

/// The functions of one variant. Head by head: pack() once, then rows() for any ranges of queries, at once if need be.
struct attention_kernel {
  isa required;
  /// Whether the variant knows such a layer; only shapes and factors count, not data.
  bool (*takes)(const attention_call&) noexcept;
  /// 64-byte aligned memory that pack() fills, all heads together, and that one call of rows() works in.
  std::size_t (*packed_bytes)(const attention_call&) noexcept;
  std::size_t (*scratch_bytes)(const attention_call&) noexcept;
  void (*pack)(const attention_call&, std::int32_t head, std::byte* packed) noexcept;
  /// Channels of `head` in rows [begin, end) of y, and with the last head what lies behind the last channel.
  void (*rows)(const attention_call&, std::int32_t head, std::int32_t begin, std::int32_t end, const std::byte* packed,
               std::byte* scratch) noexcept;
};

template <class V>
inline constexpr attention_kernel attention_kernel_of{V::required,       &V::takes, &V::packed_bytes,
                                                      &V::scratch_bytes, &V::pack,  &V::rows};

namespace attention_impl {

/// The specification: one query after the other.
struct generic {
  static constexpr isa required = isa::generic;

  static bool takes(const attention_call&) noexcept { return true; }
  static std::size_t packed_bytes(const attention_call&) noexcept { return 0; }
  static void pack(const attention_call&, std::int32_t, std::byte*) noexcept {}

  static std::size_t scratch_bytes(const attention_call& call) noexcept {
    const auto tk = static_cast<std::size_t>(call.keys()), dh = static_cast<std::size_t>(call.head_depth());
    return round_up(tk * 4 + dh * 4 + round_up(tk * 2, 4) + dh * 2, 64);  // scores, sums, probabilities, query
  }

  static void rows(const attention_call& call, std::int32_t head, std::int32_t begin, std::int32_t end,
                   const std::byte*, std::byte* scratch) noexcept {
    with_avx2([ call, head, begin, end, scratch ]() __attribute__((always_inline)) {
      for (std::int32_t i = begin; i < end; ++i) {
        one(call, head, i, scratch);
        if (head + 1 == call.factors.heads) pad_channels(call.y, call.y.at(i, 0), call.factors.zero_y);
      }
    });
  }

private:
  [[gnu::always_inline]] static inline void one(const attention_call& call, std::int32_t head, std::int32_t i,
                                                std::byte* scratch) noexcept {
    const attention_factors f = call.factors;
    const std::int32_t depth = call.q.shape.c, dh = depth / f.heads, keys = call.k.shape.h, used = call.keys_of(i);
    const std::ptrdiff_t first = std::ptrdiff_t{head} * dh;
    const std::int32_t newest = keys - call.q.shape.h + i;          // the key of distance 0
    auto* scores = reinterpret_cast<std::int32_t*>(scratch);        // (Tk)
    auto* sums = scores + keys;                                     // (dh)
    auto* p = reinterpret_cast<std::int16_t*>(sums + dh);           // (Tk)
    auto* query = p + round_up(static_cast<std::size_t>(keys), 2);  // (dh)
    for (std::int32_t d = 0; d < dh; ++d) {
      query[d] = static_cast<std::int16_t>(call.q.at(i, 0)[first + d] - f.zero_q);
      sums[d] = 0;
    }
    for (std::int32_t j = 0; j < used; ++j) {
      const std::int32_t distance = std::clamp(newest - j, 0, std::max(f.distances - 1, 0));
      const std::uint8_t* key = call.k.at(j, 0) + first;
      std::int32_t score = f.rb != nullptr ? f.rb[std::ptrdiff_t{head} * f.distances + distance] : 0;
      if (f.r != nullptr) {
        const std::int8_t* r = f.r + std::ptrdiff_t{distance} * depth + first;
        for (std::int32_t d = 0; d < dh; ++d) score += query[d] * static_cast<std::int16_t>(key[d] - f.zero_k + r[d]);
      } else {
        for (std::int32_t d = 0; d < dh; ++d) score += query[d] * static_cast<std::int16_t>(key[d] - f.zero_k);
      }
      scores[j] = score;
    }
    if (const std::int32_t* const bias = call.bias_row(head, i))
      for (std::int32_t j = 0; j < used; ++j) scores[j] += bias[j];
    if (used != 0 && f.rounds()) softmax_rounded(scores, used, 0, f.levels, p);
    else if (used != 0) softmax_q14(scores, used, f.score, p);
    for (std::int32_t j = 0; j < used; ++j) {
      const std::uint8_t* value = call.v.at(j, 0) + first;
      const std::int16_t weight = p[j];
      for (std::int32_t d = 0; d < dh; ++d) sums[d] += weight * static_cast<std::int16_t>(value[d] - f.zero_v);
    }
    std::uint8_t* const out = call.y.at(i, 0) + first;
    for (std::int32_t d = 0; d < dh; ++d) out[d] = clamp_u8(f.zero_y + requantize(sums[d], f.value));
  }
};

}  // namespace attention_impl

}  // namespace dsmm::inline DSMM_ABI::kernels
