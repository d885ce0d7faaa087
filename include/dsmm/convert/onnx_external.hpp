// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/utf8.hpp"
#include "dsmm/convert/wire.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::onnx {

/// The only folder from which external data are read: the model's own.
/// A location is opened one component at a time, each relative to the one before and never through a symbolic link, so
/// that neither "..", nor an absolute path, nor a link that appears meanwhile leads outside. A file with a second name
/// (hard link) is refused as well: it may be another folder's.
class external_folder {
public:
  explicit external_folder(std::string path) : path_(path.empty() ? "." : std::move(path)) {}

  /// Bytes [offset, offset + length) of a file below the folder. Errors: bad_value (location), not_found, io,
  /// truncated (the file ends before), too_large (no memory).
  result<std::vector<std::byte>> read(std::string_view location, std::uint64_t offset, std::size_t length,
                                      std::string_view tensor) const {
    const auto fail = [&](errc code, const char* text) {
      return failure{code, text}.named(tensor.data(), tensor.size());
    };
    if (location.empty() || location.size() > 1'024 || location[0] == '/' || !is_utf8(location))
      return fail(errc::bad_value, "ONNX: external data must lie in the model's folder");
    handle at(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (at.fd < 0) return fail(errc::io, "ONNX: the model's folder cannot be opened");
    for (std::string_view rest = location; !rest.empty();) {
      const std::size_t slash = rest.find('/');
      const std::string part(rest.substr(0, slash));
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
      if (part.empty() || part == ".") continue;
      if (part == "..") return fail(errc::bad_value, "ONNX: external data must lie in the model's folder");
      const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (rest.empty() ? 0 : O_DIRECTORY);
      handle next(::openat(at.fd, part.c_str(), flags));
      if (next.fd < 0 && errno == ENOENT) return fail(errc::not_found, "ONNX: the file with external data is missing");
      if (next.fd < 0) return fail(errc::io, "ONNX: external data are behind a link or cannot be opened");
      at.swap(next);
    }
    struct stat info {};
    if (::fstat(at.fd, &info) != 0 || !S_ISREG(info.st_mode))
      return fail(errc::io, "ONNX: external data are not in a regular file");
    if (info.st_nlink > 1) return fail(errc::io, "ONNX: the file with external data has a second name (hard link)");
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (offset > size || length > size - offset)
      return fail(errc::truncated, "ONNX: the file with external data is shorter than the tensor");
    std::vector<std::byte> out(length);
    for (std::size_t done = 0; done < length;) {
      const ssize_t n = ::pread(at.fd, out.data() + done, length - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail(errc::io, "ONNX: external data could not be read");
      done += static_cast<std::size_t>(n);
    }
    return out;
  }

private:
  struct handle {
    int fd;
    explicit handle(int opened) noexcept : fd(opened) {}
    handle(const handle&) = delete;
    handle& operator=(const handle&) = delete;
    ~handle() {
      if (fd >= 0) ::close(fd);
    }
    void swap(handle& other) noexcept { std::swap(fd, other.fd); }
  };

  std::string path_;
};

/// The key-value pairs of TensorProto.external_data.
class external_reference {
public:
  /// Errors: bad_value (unknown key, not a number).
  result<void> add(const wire_field& message) {
    wire_reader reader(message);
    std::string_view key, value;
    for (wire_field f; reader.next(f);) {
      if (f.number == 1) key = f.text();
      if (f.number == 2) value = f.text();
    }
    if (reader.failed()) return reader.error();
    const auto number = [&](std::uint64_t& to) -> result<void> {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), to);
      if (error == std::errc() && end == value.data() + value.size()) return {};
      return failure{errc::bad_value, "ONNX: offset or length of external data is not a number", message.where};
    };
    if (key == "location") return location_ = value, result<void>();
    if (key == "offset") return number(offset_);
    if (key == "length") return has_length_ = true, number(length_);
    if (key == "checksum") return {};  // SHA-1 of the whole file; nobody writes it
    return failure{errc::bad_value, "ONNX: external data have a key that ONNX does not define", message.where};
  }

  /// Errors: unsupported (no folder), bad_value (length), and those of external_folder::read.
  result<std::vector<std::byte>> read(const external_folder* folder, std::size_t bytes, std::string_view tensor) const {
    if (folder == nullptr)
      return failure{errc::unsupported, "ONNX: external data need the model's folder"}.named(tensor.data(),
                                                                                             tensor.size());
    if (has_length_ && length_ != bytes)
      return failure{errc::bad_value, "ONNX: external data are not as long as the tensor"}.named(tensor.data(),
                                                                                                 tensor.size());
    return folder->read(location_, offset_, bytes, tensor);
  }

private:
  std::string_view location_;
  std::uint64_t offset_ = 0, length_ = 0;
  bool has_length_ = false;
};

}  // namespace dsmm::inline DSMM_ABI::convert::onnx
