// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

#include "dsmm/core/dtype.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "tests/kernels/conv_case.hpp"

/// Tensors with memory of their own, exactly as large as they say: what lies beyond, the sanitizer guards.
namespace nd_case {

using dsmm::dtype;
using dsmm::kernels::nd::call;
using dsmm::kernels::nd::view;

template <class T>
constexpr dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) return dtype::f32;
  else if constexpr (std::is_same_v<T, double>) return dtype::f64;
  else if constexpr (std::is_same_v<T, std::int8_t>) return dtype::s8;
  else if constexpr (std::is_same_v<T, std::uint8_t>) return dtype::u8;
  else if constexpr (std::is_same_v<T, std::int32_t>) return dtype::s32;
  else if constexpr (std::is_same_v<T, std::uint32_t>) return dtype::u32;
  else return dtype::s64;
}

template <class T>
class tensor {
public:
  tensor(std::initializer_list<std::int64_t> dims, std::vector<T> values) : values_(std::move(values)) { shape(dims); }
  explicit tensor(std::initializer_list<std::int64_t> dims) {
    shape(dims);
    values_.resize(static_cast<std::size_t>(view_.count()));
    view_.data = reinterpret_cast<std::byte*>(values_.data());
  }
  static tensor random(std::initializer_list<std::int64_t> dims, std::uint64_t seed, float low = -1, float high = 1) {
    tensor t(dims);
    dsmm::rng numbers(seed);
    for (T& v : t.values_) v = static_cast<T>(numbers.uniform(low, high));
    return t;
  }
  const nd_case::view& view() const { return view_; }
  std::vector<T>& values() { return values_; }
  const std::vector<T>& values() const { return values_; }
  T operator[](std::size_t i) const { return values_[i]; }

private:
  void shape(std::initializer_list<std::int64_t> dims) {
    view_.type = dtype_of<T>();
    view_.rank = static_cast<std::uint8_t>(dims.size());
    std::size_t i = 0;
    for (const std::int64_t d : dims) view_.dims[i++] = d;
    view_.data = reinterpret_cast<std::byte*>(values_.data());
  }
  std::vector<T> values_;
  nd_case::view view_;
};

inline std::int32_t bits(float value) { return std::bit_cast<std::int32_t>(value); }

/// Calls a kernel with scratch of exactly the size that it asks for.
inline void run(void (*kernel)(const call&) noexcept, std::initializer_list<view> in, std::initializer_list<view> out,
                const std::vector<std::int32_t>& attributes, std::size_t (*scratch)(const call&) noexcept = nullptr,
                dsmm::isa level = dsmm::best_isa(), dsmm::executor exec = {}) {
  call c;
  c.level = level;
  c.exec = exec;
  for (const view& v : in) c.in[c.inputs++] = v;
  for (const view& v : out) c.out[c.outputs++] = v;
  c.attributes = attributes.data();
  std::vector<float> memory(scratch != nullptr ? (scratch(c) + 3) / 4 : 0);
  c.scratch = reinterpret_cast<std::byte*>(memory.data());
  kernel(c);
}

/// As run(), with what the kernel packs before; false if it packs nothing.
inline bool run_packed(void (*kernel)(const call&) noexcept, std::size_t (*packed_bytes)(const call&) noexcept,
                       void (*pack)(const call&, std::byte*) noexcept,
                       std::size_t (*pack_scratch)(const call&) noexcept, std::initializer_list<view> in,
                       std::initializer_list<view> out, const std::vector<std::int32_t>& attributes,
                       std::size_t (*scratch)(const call&) noexcept, dsmm::isa level, dsmm::executor exec = {}) {
  call c;
  c.level = level;
  c.exec = exec;
  for (const view& v : in) c.in[c.inputs++] = v;
  for (const view& v : out) c.out[c.outputs++] = v;
  c.attributes = attributes.data();
  const std::size_t bytes = packed_bytes(c);
  if (bytes == 0) return false;
  aligned_bytes packed(bytes), temporary(pack_scratch != nullptr ? pack_scratch(c) : 0);
  c.scratch = temporary.data();
  pack(c, packed.data());
  if (!packed.guards_intact() || !temporary.guards_intact()) return false;
  c.packed = packed.data();
  aligned_bytes memory(scratch(c));
  c.scratch = memory.data();
  kernel(c);
  return packed.guards_intact() && memory.guards_intact();
}

}  // namespace nd_case
