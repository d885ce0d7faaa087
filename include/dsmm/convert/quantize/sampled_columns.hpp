// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/quantize/layer.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/rng.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Some rows of a layer's im2col matrix: pixels of the output, evenly spread, with another phase for each sample. Two
/// with one seed see the same pixels of a sample, whichever samples they have seen, so what one kept can be set against
/// what the other sees.
class sampled_columns {
public:
  explicit sampled_columns(std::uint64_t seed) : seed_(seed) {}

  /// The rows of one sample: groups * depth values each.
  /// x: the plain input of the layer. Rows are shared out; none depends on others.
  std::vector<float> rows(const weight_layer& l, std::span<const float> x, std::size_t sample, std::size_t positions,
                          const executor& exec) const {
    const auto width = static_cast<std::size_t>(l.to.shape.w), all = static_cast<std::size_t>(l.to.shape.h) * width;
    const std::size_t n = std::min(positions, all);
    rng random(seed_ + (static_cast<std::uint64_t>(sample) << 32));
    const std::size_t phase = random.below(static_cast<std::uint32_t>(all / n + 1));
    const std::size_t columns = static_cast<std::size_t>(l.groups) * l.depth();
    std::vector<float> out(n * columns, 0.0f);
    exec.each(static_cast<std::uint32_t>(n), [&](std::uint32_t i) {
      const std::size_t at = (i * all / n + phase) % all;
      gather(l, x, static_cast<std::int64_t>(at / width), static_cast<std::int64_t>(at % width),
             std::span(out).subspan(i * columns, columns));
    });
    return out;
  }

private:
  /// The column values under the kernel at output (oh, ow), group after group; 0 outside the image.
  static void gather(const weight_layer& l, std::span<const float> x, std::int64_t oh, std::int64_t ow,
                     std::span<float> row) {
    const std::int64_t per_group = l.from.shape.c / l.groups;
    std::size_t k = 0;
    for (std::int64_t g = 0; g < l.groups; ++g)
      for (std::int64_t kh = 0; kh < l.kernel_h; ++kh)
        for (std::int64_t kw = 0; kw < l.kernel_w; ++kw) {
          const std::int64_t h = oh * l.stride_h - l.top + kh * l.dilation_h;
          const std::int64_t w = ow * l.stride_w - l.left + kw * l.dilation_w;
          if (h < 0 || h >= l.from.shape.h || w < 0 || w >= l.from.shape.w) {
            k += static_cast<std::size_t>(per_group);
            continue;
          }
          const std::int64_t at = h * l.x_strides[0] + w * l.x_strides[1] + g * per_group * l.x_strides[2];
          for (std::int64_t c = 0; c < per_group; ++c)
            row[k++] = x[static_cast<std::size_t>(at + c * l.x_strides[2])];
        }
  }

  std::uint64_t seed_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
