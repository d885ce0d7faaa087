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
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/kernels/softmax_int.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Constants of an attention layer; docs/ops.md has the formulas.
struct attention_factors {
  std::int32_t heads = 1;
  bool causal = false;
  std::int32_t distances = 0;        ///< L, rows of r and rb; 0 if both are absent
  const std::int8_t* r = nullptr;    ///< (L, D) on the scale of k, or null
  const std::int32_t* rb = nullptr;  ///< (heads, L) on the scale of q times k, |rb| <= 2^30, or null
  std::int32_t zero_q = 0, zero_k = 0, zero_v = 0, zero_y = 0;
  fixed_point score;  ///< F(16 * q.scale * k.scale * log2(e) / sqrt(D / heads))
  fixed_point value;  ///< F(v.scale / (2^14 * y.scale))
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

/// Bytes of scratch, 4-byte aligned, that one call of attention() needs; calls that run at once need one each.
constexpr std::size_t attention_scratch_bytes(std::int32_t keys, std::int32_t head_depth) noexcept {
  const auto tk = static_cast<std::size_t>(keys), dh = static_cast<std::size_t>(head_depth);
  return tk * 4 + dh * 4 + round_up(tk * 2, 4) + dh * 2;  // scores, sums, probabilities, centred query
}

/// Multi-head attention of Tq queries over Tk keys, exact integers:
///   S[i][j] = sum_d (q - zp_q) * (k - zp_k + r[dist]) + rb[head][dist],  dist = (Tk - 1 - j) - (Tq - 1 - i)
///   y[i] = clamp(zp_y + rq(sum_j softmax_q14(S[i])[j] * (v - zp_v), F))
/// q (Tq, 1, D), k and v (Tk, 1, D), y (Tq, 1, D). Queries [begin, end); Tk <= 2^16. y must not overlap q, k or v.
inline void attention(tensor_view<const std::uint8_t> q, tensor_view<const std::uint8_t> k,
                      tensor_view<const std::uint8_t> v, const attention_factors& factors, tensor_view<std::uint8_t> y,
                      std::int32_t begin, std::int32_t end, std::byte* scratch) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    const attention_factors f = factors;
    const std::int32_t depth = q.shape.c, dh = depth / f.heads, keys = k.shape.h;
    auto* scores = reinterpret_cast<std::int32_t*>(scratch);        // (Tk)
    auto* sums = scores + keys;                                     // (dh)
    auto* p = reinterpret_cast<std::int16_t*>(sums + dh);           // (Tk)
    auto* query = p + round_up(static_cast<std::size_t>(keys), 2);  // (dh)
    for (std::int32_t i = begin; i < end; ++i) {
      const std::int32_t newest = keys - q.shape.h + i;  // the key of distance 0
      const std::int32_t used = f.causal ? std::clamp(newest + 1, 0, keys) : keys;
      for (std::int32_t head = 0; head < f.heads; ++head) {
        const std::ptrdiff_t first = std::ptrdiff_t{head} * dh;
        std::uint8_t* out = y.at(i, 0) + first;
        for (std::int32_t d = 0; d < dh; ++d) {
          query[d] = static_cast<std::int16_t>(q.at(i, 0)[first + d] - f.zero_q);
          sums[d] = 0;
        }
        for (std::int32_t j = 0; j < used; ++j) {
          const std::int32_t distance = std::clamp(newest - j, 0, std::max(f.distances - 1, 0));
          const std::uint8_t* key = k.at(j, 0) + first;
          std::int32_t score = f.rb != nullptr ? f.rb[std::ptrdiff_t{head} * f.distances + distance] : 0;
          if (f.r != nullptr) {
            const std::int8_t* r = f.r + std::ptrdiff_t{distance} * depth + first;
            for (std::int32_t d = 0; d < dh; ++d)
              score += query[d] * static_cast<std::int16_t>(key[d] - f.zero_k + r[d]);
          } else {
            for (std::int32_t d = 0; d < dh; ++d) score += query[d] * static_cast<std::int16_t>(key[d] - f.zero_k);
          }
          scores[j] = score;
        }
        if (used != 0) softmax_q14(scores, used, f.score, p);
        for (std::int32_t j = 0; j < used; ++j) {
          const std::uint8_t* value = v.at(j, 0) + first;
          const std::int16_t weight = p[j];
          for (std::int32_t d = 0; d < dh; ++d) sums[d] += weight * static_cast<std::int16_t>(value[d] - f.zero_v);
        }
        for (std::int32_t d = 0; d < dh; ++d) out[d] = clamp_u8(f.zero_y + requantize(sums[d], f.value));
      }
      pad_channels(y, y.at(i, 0), f.zero_y);
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
