// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// An array whose size is set once, and whose allocation may fail without throwing: for tables at load and plan time.
template <class T>
class fixed_array {
public:
  fixed_array() noexcept = default;
  /// `size` value-initialised elements; ask valid() before use.
  explicit fixed_array(std::size_t size) noexcept : data_(new (std::nothrow) T[size == 0 ? 1 : size]()), size_(size) {}

  bool valid() const noexcept { return data_ != nullptr; }
  std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  T* begin() noexcept { return data_.get(); }
  T* end() noexcept { return data_.get() + size_; }
  const T* begin() const noexcept { return data_.get(); }
  const T* end() const noexcept { return data_.get() + size_; }

private:
  std::unique_ptr<T[]> data_;
  std::size_t size_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
