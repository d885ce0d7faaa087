// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "dsmm/model/file.hpp"

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

}  // namespace file_impl

DSMM_INLINE file_bytes::~file_bytes() {
  if (data_ != nullptr) ::operator delete[](data_, std::align_val_t{format::alignment});
}

DSMM_INLINE result<file_bytes> file_bytes::allocate(std::size_t size) noexcept {
  file_bytes f;
  f.data_ = new (std::align_val_t{format::alignment}, std::nothrow) std::byte[size == 0 ? 1 : size];
  if (f.data_ == nullptr) return failure{errc::too_large, "no memory for the bytes of a file"};
  f.size_ = size;
  return f;
}

DSMM_INLINE result<file_bytes> read_file(const char* path, std::uint64_t cap) noexcept {
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

DSMM_INLINE result<void> write_file(const char* path, std::span<const std::byte> bytes) noexcept {
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

DSMM_INLINE result<owned_model> owned_model::open(const char* path) noexcept {
  result<file_bytes> file = read_file(path);
  if (!file) return file.error();
  return adopt(std::move(*file));
}

DSMM_INLINE result<owned_model> owned_model::adopt(file_bytes&& file) noexcept {
  const result<model> view = model::open(std::as_const(file).bytes());
  if (!view) return view.error();
  return owned_model(std::move(file), *view);
}

}  // namespace dsmm::inline DSMM_ABI
