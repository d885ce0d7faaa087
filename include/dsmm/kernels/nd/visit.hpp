// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"

/// From a dtype to a C++ type, once per call.
namespace dsmm::inline DSMM_ABI::kernels::nd {

/// f(T{}) for what can be computed with. Narrow floats never arrive here: they are widened before the kernel runs.
/// Truth values count as u8.
template <class F>
void visit_numeric(dtype type, F&& f) noexcept {
  switch (type) {
    case dtype::f32: return f(float{});
    case dtype::f64: return f(double{});
    case dtype::s8: return f(std::int8_t{});
    case dtype::s16: return f(std::int16_t{});
    case dtype::s32: return f(std::int32_t{});
    case dtype::s64: return f(std::int64_t{});
    case dtype::u16: return f(std::uint16_t{});
    case dtype::u32: return f(std::uint32_t{});
    case dtype::u64: return f(std::uint64_t{});
    default: return f(std::uint8_t{});
  }
}

/// f(float{}) or f(double{}).
template <class F>
void visit_real(dtype type, F&& f) noexcept {
  if (type == dtype::f64) f(double{});
  else f(float{});
}

/// f(U{}) with an unsigned type of the element's size: for kernels that only move elements.
template <class F>
void visit_size(dtype type, F&& f) noexcept {
  switch (size_of(type)) {
    case 1: return f(std::uint8_t{});
    case 2: return f(std::uint16_t{});
    case 4: return f(std::uint32_t{});
    default: return f(std::uint64_t{});
  }
}

/// Unsigned arithmetic wraps; types below int would be promoted to it and overflow.
template <class T>
using wrapping = std::conditional_t<(sizeof(T) < 4), std::uint32_t, std::make_unsigned_t<T>>;

/// Element i of a tensor of s32 or s64 indices.
inline std::int64_t index_at(const std::byte* data, dtype type, std::int64_t i) noexcept {
  if (type == dtype::s32) return reinterpret_cast<const std::int32_t*>(data)[i];
  return reinterpret_cast<const std::int64_t*>(data)[i];
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
