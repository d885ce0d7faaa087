// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

/// On which side of a buffer the page that nobody may touch lies without a byte between.
enum class fence { behind, before };

/// `size` bytes with such a page on one side, and another one on the other side as near as pages allow. Unlike a
/// sanitizer, the processor also sees what vector intrinsics read and write.
class fenced_bytes {
public:
  fenced_bytes(std::size_t size, fence side) : size_(size) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inner = (size + page - 1) / page * page;
    mapped_ = inner + 2 * page;
    void* const at = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at != MAP_FAILED);
    base_ = static_cast<std::byte*>(at);
    if (inner != 0) REQUIRE(mprotect(base_ + page, inner, PROT_READ | PROT_WRITE) == 0);
    data_ = side == fence::before ? base_ + page : base_ + page + inner - size;
  }
  template <class T>
  fenced_bytes(const std::vector<T>& values, fence side) : fenced_bytes(values.size() * sizeof(T), side) {
    if (!values.empty()) std::memcpy(data_, values.data(), size_);
  }
  fenced_bytes(fenced_bytes&& other) noexcept
      : size_(other.size_), mapped_(other.mapped_), base_(std::exchange(other.base_, nullptr)), data_(other.data_) {}
  fenced_bytes& operator=(fenced_bytes&&) = delete;
  ~fenced_bytes() {
    if (base_ != nullptr) munmap(base_, mapped_);
  }

  std::byte* data() noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  template <class T>
  T* as() noexcept {
    return reinterpret_cast<T*>(data_);
  }

private:
  std::size_t size_, mapped_ = 0;
  std::byte *base_ = nullptr, *data_ = nullptr;
};
