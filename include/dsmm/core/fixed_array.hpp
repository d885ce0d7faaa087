// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// An array whose size is set once, and whose allocation may fail without throwing: for tables at load and plan time.
template <class T>
class fixed_array {
public:
  fixed_array() noexcept = default;
  /// `size` value-initialised elements; ask valid() before use.
  explicit fixed_array(std::size_t size) noexcept : data_(new (std::nothrow) T[size == 0 ? 1 : size]()), size_(size) {}
  fixed_array(fixed_array&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  fixed_array& operator=(fixed_array other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~fixed_array() { delete[] data_; }

  bool valid() const noexcept { return data_ != nullptr; }
  std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }

private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
