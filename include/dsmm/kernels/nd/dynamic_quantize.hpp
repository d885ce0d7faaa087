// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/math32.hpp"
#include "dsmm/kernels/nd/quantize_bytes.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// ONNX's DynamicQuantizeLinear: u8 on the grid that spans the values and 0.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace dynamic_quantize_impl {

struct span_of_values {
  float low = 0.0f, high = 0.0f;
};

/// The ends of n values and 0; NaNs count as nothing. In lanes, because minimum and maximum do not depend on the order.
inline void find_span(const float* x, std::int64_t n, span_of_values& out) noexcept {
  with_avx2([ x, n, to = &out ]() __attribute__((always_inline)) {
    constexpr std::int64_t lanes = 32;
    float low[lanes] = {}, high[lanes] = {};
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
      for (std::int64_t j = 0; j < lanes; ++j) {
        low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
        high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
      }
    for (; i < n; ++i) {
      low[0] = x[i] < low[0] ? x[i] : low[0];
      high[0] = x[i] > high[0] ? x[i] : high[0];
    }
    for (std::int64_t j = 1; j < lanes; ++j) {
      low[0] = low[j] < low[0] ? low[j] : low[0];
      high[0] = high[j] > high[0] ? high[j] : high[0];
    }
    *to = {low[0], high[0]};
  });
}

inline std::int64_t runs_of(const call& c) noexcept { return (c.in[0].count() + element_grain - 1) / element_grain; }

}  // namespace dynamic_quantize_impl

inline std::size_t nd_dynamic_quantize_scratch(const call& c) noexcept {
  return static_cast<std::size_t>(dynamic_quantize_impl::runs_of(c)) * sizeof(dynamic_quantize_impl::span_of_values);
}

/// u8 with the scale that x needs. Outputs: y, scale, zero point. Where no finite scale above 0 spans x, it is 1.
inline void nd_dynamic_quantize(const call& c) noexcept {
  using namespace dynamic_quantize_impl;
  const float* const x = c.in[0].as<const float>();
  auto* const spans = reinterpret_cast<span_of_values*>(c.scratch);
  for_runs(c.exec, c.in[0].count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
    find_span(x + begin, end - begin, spans[begin / element_grain]);
  });
  float low = 0.0f, high = 0.0f;
  for (std::int64_t i = 0; i < runs_of(c); ++i) {
    low = std::min(low, spans[i].low);
    high = std::max(high, spans[i].high);
  }
  const float step = (high - low) / 255.0f, scale = step > 0.0f && step <= 0x1p126f ? step : 1.0f;
  const float zero = math32::round(std::clamp(-low / scale, 0.0f, 255.0f));
  *c.out[1].as<float>() = scale;
  *c.out[2].as<std::uint8_t>() = static_cast<std::uint8_t>(zero);
  for_runs(c.exec, c.in[0].count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
    quantize_bytes(x + begin, scale, zero, 0.0f, 255.0f, c.out[0].as<std::uint8_t>() + begin, end - begin);
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
