// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/isa/isa.hpp"

/// What general kernels work on: dense row-major tensors of any element type and of rank 0 to 6.
namespace dsmm::inline DSMM_ABI::kernels::nd {

inline constexpr std::size_t max_rank = 6;
using extent_list = std::array<std::int64_t, max_rank>;

/// A dense tensor that somebody else owns; no data where an optional one is absent. Unused dims are 1.
struct view {
  std::byte* data = nullptr;
  dtype type = dtype::f32;
  std::uint8_t rank = 0;
  extent_list dims{1, 1, 1, 1, 1, 1};

  explicit operator bool() const noexcept { return data != nullptr; }
  template <class T>
  T* as() const noexcept {
    return reinterpret_cast<T*>(data);
  }
  /// Elements of axes [first, last).
  std::int64_t count(std::size_t first = 0, std::size_t last = max_rank) const noexcept {
    std::int64_t n = 1;
    for (std::size_t i = first; i < last; ++i) n *= dims[i];
    return n;
  }
  std::size_t bytes() const noexcept { return static_cast<std::size_t>(count()) * size_of(type); }
};

/// Elements between neighbours along each axis of a dense tensor.
inline extent_list dense_strides(const view& x) noexcept {
  extent_list s{};
  std::int64_t step = 1;
  for (std::size_t i = max_rank; i-- > 0; step *= x.dims[i]) s[i] = step;
  return s;
}

/// One call of a general operator. The verifier (or whoever builds it by hand) has checked types, shapes, attributes.
struct call {
  std::array<view, 16> in{};
  std::array<view, 3> out{};
  std::uint32_t inputs = 0, outputs = 0;
  const std::int32_t* attributes = nullptr;
  std::byte* scratch = nullptr;       ///< as many bytes as the kernel's *_scratch() asks for
  const std::byte* packed = nullptr;  ///< what the kernel's *_pack() wrote, if it has one
  executor exec{};
  isa level{};  ///< may change the time and never a bit

  std::int32_t attribute(std::size_t i) const noexcept { return attributes[i]; }
  float attribute_f32(std::size_t i) const noexcept { return std::bit_cast<float>(attributes[i]); }
  template <class Enum>
  Enum choice(std::size_t i) const noexcept {
    return static_cast<Enum>(attributes[i]);
  }
};

/// f(begin, end) over [0, count) in runs of `grain`: the split never depends on the number of threads.
template <class F>
void for_runs(const executor& exec, std::int64_t count, std::int64_t grain, F&& f) noexcept {
  if (count <= 0) return;
  const auto tasks = static_cast<std::uint32_t>((count + grain - 1) / grain);
  exec.each(tasks, [&](std::uint32_t i) {
    const std::int64_t begin = static_cast<std::int64_t>(i) * grain;
    f(begin, std::min(begin + grain, count));
  });
}

/// Rows of `work` operations each, in tasks of about 2^16.
constexpr std::int64_t row_grain(std::int64_t work) noexcept {
  const std::int64_t rows = (std::int64_t{1} << 16) / (work < 1 ? 1 : work);
  return rows < 1 ? 1 : rows;
}
inline constexpr std::int64_t element_grain = 1 << 14;

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
