// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI {

namespace file_impl {

struct descriptor {
  int fd;
  explicit descriptor(int opened) noexcept : fd(opened) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

/// A failure that carries the end of the path, which is the part that tells files apart.
inline failure fail_path(errc code, const char* text, std::string_view path) noexcept {
  const std::string_view end = path.substr(path.size() > 47 ? path.size() - 47 : 0);
  return failure{code, text}.named(end.data(), end.size());
}

struct aligned_delete {
  void operator()(std::byte* memory) const noexcept {
    ::operator delete[](memory, std::align_val_t{format::alignment});
  }
};

}  // namespace file_impl

/// The bytes of a file in memory of its own, at a multiple of 64. Not a mapping: a file that is cut while it is mapped
/// kills the process with SIGBUS.
class file_bytes {
public:
  file_bytes() noexcept = default;
  std::span<const std::byte> bytes() const noexcept { return {data_.get(), size_}; }
  std::span<std::byte> bytes() noexcept { return {data_.get(), size_}; }

  /// Uninitialised memory for `size` bytes. Errors: too_large.
  static result<file_bytes> allocate(std::size_t size) noexcept {
    file_bytes f;
    f.data_.reset(new (std::align_val_t{format::alignment}, std::nothrow) std::byte[size == 0 ? 1 : size]);
    if (f.data_ == nullptr) return failure{errc::too_large, "no memory for the bytes of a file"};
    f.size_ = size;
    return f;
  }

private:
  std::unique_ptr<std::byte[], file_impl::aligned_delete> data_;
  std::size_t size_ = 0;
};

/// Reads a regular file of at most `cap` bytes.
/// Errors: not_found; io (a folder, a device, no permission, a read that failed or came up short); too_large.
inline result<file_bytes> read_file(const char* path, std::uint64_t cap = format::max_file) noexcept {
  const file_impl::descriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return file_impl::fail_path(errc::not_found, "there is no such file", path);
    return file_impl::fail_path(errc::io, "file cannot be opened for reading", path);
  }
  struct stat info {};
  if (::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode))
    return file_impl::fail_path(errc::io, "this is a folder or a device, not a file", path);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > cap) return file_impl::fail_path(errc::too_large, "file is larger than this use allows", path);
  result<file_bytes> out = file_bytes::allocate(static_cast<std::size_t>(size));
  if (!out) return out.error();
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::read(file.fd, out->bytes().data() + done, static_cast<std::size_t>(size) - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return file_impl::fail_path(errc::io, "file could not be read to its end", path);
    done += static_cast<std::size_t>(n);
  }
  return out;
}

/// Replaces or creates a file in one step: after a crash or a full disk the old one is still whole. The bytes go to
/// `path`.part in the same folder first. Errors: io.
inline result<void> write_file(const char* path, std::span<const std::byte> bytes) noexcept {
  char part[4096];
  const int length = std::snprintf(part, sizeof(part), "%s.part", path);
  if (length < 0 || static_cast<std::size_t>(length) >= sizeof(part))
    return file_impl::fail_path(errc::io, "path is too long", path);
  {
    const file_impl::descriptor file(::open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.fd < 0)
      return file_impl::fail_path(errc::io, "file cannot be created; check the folder and its permissions", path);
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        ::unlink(part);
        return file_impl::fail_path(errc::io, "file could not be written; is the disk full?", path);
      }
      done += static_cast<std::size_t>(n);
    }
    if (::fsync(file.fd) != 0) {
      ::unlink(part);
      return file_impl::fail_path(errc::io, "file could not be made durable", path);
    }
  }
  if (std::rename(part, path) != 0) {
    ::unlink(part);
    return file_impl::fail_path(errc::io, "file could not be put in its place", path);
  }
  return {};
}

/// A model together with the file it looks at. Movable.
class owned_model {
public:
  /// Reads and verifies. Errors: as read_file() and model::open().
  static result<owned_model> open(const char* path) noexcept {
    result<file_bytes> file = read_file(path);
    if (!file) return file.error();
    return adopt(std::move(*file));
  }
  /// Verifies bytes that are there already. Errors: as model::open().
  static result<owned_model> adopt(file_bytes&& file) noexcept {
    const result<model> view = model::open(std::as_const(file).bytes());
    if (!view) return view.error();
    return owned_model(std::move(file), *view);
  }

  const model& view() const noexcept { return model_; }
  const model* operator->() const noexcept { return &model_; }
  const model& operator*() const noexcept { return model_; }

private:
  owned_model(file_bytes&& file, const model& view) noexcept : file_(std::move(file)), model_(view) {}

  file_bytes file_;
  model model_;
};

}  // namespace dsmm::inline DSMM_ABI
