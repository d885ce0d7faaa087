// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/convert/quantize/sampled_columns.hpp"
#include "dsmm/core/executor.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace quantize_impl {

/// sum a[i] b[i] in sixteen chains, which compilers keep in vectors; the order is fixed.
inline float row_dot(const float* a, const float* b, std::size_t n) noexcept {
  std::array<float, 16> part{};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (std::size_t p = 0; p < 16; ++p) part[p] += a[i + p] * b[i + p];
  for (std::size_t half = 8; half > 0; half /= 2)
    for (std::size_t p = 0; p < half; ++p) part[p] += part[p + half];
  for (; i < n; ++i) part[0] += a[i] * b[i];
  return part[0];
}

}  // namespace quantize_impl

/// What a layer of the fp32 model gives, before its activation, at the pixels of sampled_columns: what its rounded
/// self is to give there, whatever became of its inputs.
class layer_targets {
public:
  explicit layer_targets(std::uint64_t seed) : columns_(seed) {}

  /// x  the plain fp32 input of the layer for one sample. Cost: depth * channels multiply-adds per pixel.
  void see(const weight_layer& l, std::span<const float> x, std::size_t positions, const executor& exec) {
    const std::size_t depth = l.depth(), out = l.channels() / static_cast<std::size_t>(l.groups);
    const std::size_t row = static_cast<std::size_t>(l.groups) * depth;
    starts_.push_back(values_.size());
    const std::vector<float> rows = columns_.rows(l, x, starts_.size() - 1, positions, exec);
    values_.resize(starts_.back() + rows.size() / row * l.channels());
    exec.each(static_cast<std::uint32_t>(l.channels()), [&](std::uint32_t o) {
      float* to = values_.data() + starts_.back() + o;
      for (const float* at = rows.data() + o / out * depth; at < rows.data() + rows.size(); at += row) {
        *to = quantize_impl::row_dot(l.w.data() + o * depth, at, depth) + l.bias[o];
        to += l.channels();
      }
    });
  }

  /// (positions, channels) of one sample, in the order in which samples were seen.
  std::span<const float> of(std::size_t sample) const {
    const std::size_t end = sample + 1 < starts_.size() ? starts_[sample + 1] : values_.size();
    return std::span(values_).subspan(starts_[sample], end - starts_[sample]);
  }

private:
  sampled_columns columns_;
  std::vector<float> values_;
  std::vector<std::size_t> starts_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
