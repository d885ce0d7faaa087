// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI {

/// The bytes of a file in memory of its own, at a multiple of 64. Not a mapping: a file that is cut while it is mapped
/// kills the process with SIGBUS.
class file_bytes {
public:
  file_bytes() noexcept = default;
  file_bytes(file_bytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  file_bytes& operator=(file_bytes other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~file_bytes();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  std::span<std::byte> bytes() noexcept { return {data_, size_}; }

  /// Uninitialised memory for `size` bytes. Errors: too_large.
  static result<file_bytes> allocate(std::size_t size) noexcept;

private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Reads a regular file of at most `cap` bytes.
/// Errors: not_found; io (a folder, a device, no permission, a read that failed or came up short); too_large.
result<file_bytes> read_file(const char* path, std::uint64_t cap = format::max_file) noexcept;

/// Replaces or creates a file in one step: after a crash or a full disk the old one is still whole. The bytes go to
/// `path`.part in the same folder first. Errors: io.
result<void> write_file(const char* path, std::span<const std::byte> bytes) noexcept;

/// A model together with the file it looks at. Movable.
class owned_model {
public:
  /// Reads and verifies. Errors: as read_file() and model::open().
  static result<owned_model> open(const char* path) noexcept;
  /// Verifies bytes that are there already. Errors: as model::open().
  static result<owned_model> adopt(file_bytes&& file) noexcept;

  const model& view() const noexcept { return model_; }
  const model* operator->() const noexcept { return &model_; }
  const model& operator*() const noexcept { return model_; }

private:
  owned_model(file_bytes&& file, const model& view) noexcept : file_(std::move(file)), model_(view) {}

  file_bytes file_;
  model model_;
};

}  // namespace dsmm::inline DSMM_ABI

#if !DSMM_COMPILED
#include "dsmm/model/file.inl.hpp"
#endif
