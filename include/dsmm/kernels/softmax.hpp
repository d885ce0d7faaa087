// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/reduce.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// y[c] = exp(x[c] - max x) / sum of those, over the channels of each pixel; the sum in 64-lane order.
/// A pixel with a NaN or +infinity, or of -infinity alone, becomes all quiet_nan. Rows [y_begin, y_end); y may be x.
inline void softmax(tensor_view<const float> x, tensor_view<float> y, std::int32_t y_begin,
                    std::int32_t y_end) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    const auto n = static_cast<std::size_t>(y.shape.c);
    for (std::int32_t row = y_begin; row < y_end; ++row)
      for (std::int32_t col = 0; col < y.shape.w; ++col) {
        const float* in = x.at(row, col);
        float* out = y.at(row, col);
        const float top = max(in, n);
        for (std::size_t c = 0; c < n; ++c) out[c] = exp<M>(in[c] - top);
        const float total = sum_of(
            n, [out](std::size_t c) __attribute__((always_inline)) { return out[c]; });
        for (std::size_t c = 0; c < n; ++c) out[c] = canonical(out[c] / total);
      }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
