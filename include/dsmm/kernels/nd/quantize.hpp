// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/narrow_float.hpp"
#include "dsmm/kernels/nd/math32.hpp"
#include "dsmm/kernels/nd/quantize_bytes.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// ONNX's linear quantization, per tensor, per index of an axis, or per block along it. All arithmetic in f32.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace quantize_impl {

/// Element i of any type as f32; s32 beyond 2^24 is rounded.
inline float load(const view& x, std::int64_t i) noexcept {
  if (x.type == dtype::f32) return x.as<const float>()[i];
  if (x.type == dtype::f64) return static_cast<float>(x.as<const double>()[i]);
  if (is_narrow_float(x.type))
    return widen(size_of(x.type) == 2 ? x.as<const std::uint16_t>()[i] : x.as<const std::uint8_t>()[i],
                 narrow_format_of(x.type));
  float y = 0.0f;
  if (x.type == dtype::s4) y = static_cast<float>(x.as<const std::int8_t>()[i]);
  else visit_numeric(x.type, [&]<class T>(T) { y = static_cast<float>(x.as<const T>()[i]); });
  return y;
}

/// The ends of a quantized integer type.
struct limits {
  float low, high;

  explicit limits(dtype type) noexcept {
    switch (type) {
      case dtype::s8: low = -128.0f, high = 127.0f; break;
      case dtype::u16: low = 0.0f, high = 65535.0f; break;
      case dtype::s16: low = -32768.0f, high = 32767.0f; break;
      case dtype::u4: low = 0.0f, high = 15.0f; break;
      case dtype::s4: low = -8.0f, high = 7.0f; break;
      default: low = 0.0f, high = 255.0f; break;
    }
  }
};

/// The scale of each element of x.
struct scale_index {
  std::int64_t inner = 1, n = 1, block = 0, blocks = 1;
  bool single = true;

  scale_index(const view& x, const view& scale, std::int64_t axis, std::int64_t size) noexcept : block(size) {
    if (size == 0 && scale.count() == 1) return;
    single = false;
    inner = x.count(static_cast<std::size_t>(axis) + 1);
    n = x.dims[static_cast<std::size_t>(axis)];
    if (size != 0) blocks = (n + size - 1) / size;
  }
  std::int64_t operator()(std::int64_t i) const noexcept {
    if (single) return 0;
    const std::int64_t at = i / inner % n;
    if (block == 0) return at;
    return (i / (inner * n) * blocks + at / block) * inner + i % inner;
  }
};

/// f(first, last, index of the scale) for the runs of [begin, end) that share one scale; without blocks.
template <class F>
void for_scales(const scale_index& index, std::int64_t begin, std::int64_t end, const F& f) noexcept {
  if (index.single) return f(begin, end, std::int64_t{0});
  while (begin < end) {
    const std::int64_t last = std::min(end, (begin / index.inner + 1) * index.inner);
    f(begin, last, index(begin));
    begin = last;
  }
}

inline void store_integer(const view& y, std::int64_t i, float v) noexcept {
  const auto whole = static_cast<std::int32_t>(v);
  if (size_of(y.type) == 2) y.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(whole);
  else y.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(whole);
}

}  // namespace quantize_impl

/// Attributes: axis, block (0: none), saturate. Inputs: x, scale, zero point. NaN becomes the zero point.
inline void nd_quantize(const call& c) noexcept {
  const view &x = c.in[0], &scale = c.in[1], &zero = c.in[2], &y = c.out[0];
  const quantize_impl::scale_index index(x, scale, c.attribute(0), c.attribute(1));
  const quantize_impl::limits range(y.type);
  const bool to_float = is_narrow_float(y.type), saturate = c.attribute(2) != 0;
  if (x.type == dtype::f32 && (y.type == dtype::u8 || y.type == dtype::s8) && c.attribute(1) == 0) {
    for_runs(c.exec, x.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
      quantize_impl::for_scales(index, begin, end, [&](std::int64_t first, std::int64_t last, std::int64_t s) {
        const float step = quantize_impl::load(scale, s), offset = zero ? quantize_impl::load(zero, s) : 0.0f;
        const float* const from = x.as<const float>() + first;
        quantize_bytes(from, step, offset, range.low, range.high, y.as<std::uint8_t>() + first, last - first);
      });
    });
    return;
  }
  for_runs(c.exec, x.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t s = index(i);
      const float ratio = quantize_impl::load(x, i) / quantize_impl::load(scale, s);
      const float offset = zero ? quantize_impl::load(zero, s) : 0.0f;
      if (to_float) {
        y.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(narrow(ratio + offset, narrow_format_of(y.type), saturate));
        continue;
      }
      const float v = math32::round(ratio) + offset;
      quantize_impl::store_integer(y, i, v != v ? offset : std::clamp(v, range.low, range.high));
    }
  });
}

/// Attributes: axis, block (0: none). Inputs: x, scale, zero point: (x - zero) * scale, exact up to the last rounding.
inline void nd_dequantize(const call& c) noexcept {
  const view &x = c.in[0], &scale = c.in[1], &zero = c.in[2], &y = c.out[0];
  const quantize_impl::scale_index index(x, scale, c.attribute(0), c.attribute(1));
  if (y.type == dtype::f32 && (x.type == dtype::u8 || x.type == dtype::s8) && c.attribute(1) == 0) {
    for_runs(c.exec, x.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
      quantize_impl::for_scales(index, begin, end, [&](std::int64_t first, std::int64_t last, std::int64_t s) {
        const float step = quantize_impl::load(scale, s);
        const auto offset = static_cast<std::int32_t>(zero ? quantize_impl::load(zero, s) : 0.0f);
        float* const to = y.as<float>() + first;
        if (x.type == dtype::u8) dequantize_bytes(x.as<const std::uint8_t>() + first, step, offset, to, last - first);
        else dequantize_bytes(x.as<const std::int8_t>() + first, step, offset, to, last - first);
      });
    });
    return;
  }
  for_runs(c.exec, x.count(), element_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t s = index(i);
      float v = quantize_impl::load(x, i);
      if (x.type == dtype::s32)  // the difference must not lose bits before it is scaled
        v = static_cast<float>(std::int64_t{x.as<const std::int32_t>()[i]} -
                               (zero ? std::int64_t{zero.as<const std::int32_t>()[s]} : 0));
      else if (zero) v -= quantize_impl::load(zero, s);
      v *= quantize_impl::load(scale, s);
      if (y.type == dtype::f32) y.as<float>()[i] = v;
      else if (y.type == dtype::f64) y.as<double>()[i] = static_cast<double>(v);
      else if (size_of(y.type) == 2)
        y.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(narrow(v, narrow_format_of(y.type)));
      else y.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(narrow(v, narrow_format_of(y.type)));
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
