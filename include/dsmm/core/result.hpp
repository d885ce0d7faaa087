// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// What went wrong, named after what the caller can do about it.
enum class errc : std::uint8_t {
  ok = 0,
  not_found,         ///< a file, tensor or program of that name does not exist
  io,                ///< the operating system refused a read or write
  bad_magic,         ///< not a .dsmm file
  bad_version,       ///< made by a newer dsmm
  truncated,         ///< shorter than it says
  bad_hash,          ///< bytes were damaged after writing
  bad_layout,        ///< sections overlap, leave gaps, or are not aligned
  bad_index,         ///< an index points outside its table
  bad_value,         ///< an attribute is outside its range
  too_large,         ///< a size is above the cap, or a product overflows
  shape_mismatch,    ///< extents do not fit together
  dtype_mismatch,    ///< element types do not fit together
  unsupported,       ///< valid, but this build cannot do it
  arena_too_small,   ///< give prepare() at least required() bytes
  wrong_product,     ///< the model is for another product, camera or sensor set
  self_test_failed,  ///< the stored golden result was not reproduced on this machine
  invalid_argument,  ///< the call itself is wrong
};

/// Short name of a code, for logs. Static storage.
constexpr const char* to_string(errc code) noexcept {
  switch (code) {
    case errc::ok: return "ok";
    case errc::not_found: return "not_found";
    case errc::io: return "io";
    case errc::bad_magic: return "bad_magic";
    case errc::bad_version: return "bad_version";
    case errc::truncated: return "truncated";
    case errc::bad_hash: return "bad_hash";
    case errc::bad_layout: return "bad_layout";
    case errc::bad_index: return "bad_index";
    case errc::bad_value: return "bad_value";
    case errc::too_large: return "too_large";
    case errc::shape_mismatch: return "shape_mismatch";
    case errc::dtype_mismatch: return "dtype_mismatch";
    case errc::unsupported: return "unsupported";
    case errc::arena_too_small: return "arena_too_small";
    case errc::wrong_product: return "wrong_product";
    case errc::self_test_failed: return "self_test_failed";
    case errc::invalid_argument: return "invalid_argument";
  }
  return "unknown";
}

/// An error: code, a sentence that says what and what to do, and where.
/// `text` has static storage, so a failure never allocates; `where` is an op, tensor, section or byte offset,
/// or -1; `name` is a copy of the offending name with anything unprintable replaced by '?'.
struct failure {
  errc code = errc::ok;
  const char* text = "";
  std::int64_t where = -1;
  char name[48] = {};

  /// The same failure with a name attached; cut to 47 characters.
  constexpr failure named(const char* begin, std::size_t size) const noexcept {
    failure f = *this;
    const std::size_t n = size < sizeof(name) - 1 ? size : sizeof(name) - 1;
    for (std::size_t i = 0; i < n; ++i) f.name[i] = begin[i] >= 32 && begin[i] < 127 ? begin[i] : '?';
    f.name[n] = '\0';
    return f;
  }
};

/// A value or a failure; the part of std::expected that dsmm needs (C++23 has the real one).
template <class T>
class [[nodiscard]] result {
public:
  using value_type = T;
  result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(true) { ::new (&value_) T(std::move(value)); }
  result(failure error) noexcept : ok_(false) { ::new (&error_) failure(error); }
  result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(other.ok_) {
    if (ok_) ::new (&value_) T(std::move(other.value_));
    else ::new (&error_) failure(other.error_);
  }
  result(const result& other) requires std::is_copy_constructible_v<T> : ok_(other.ok_) {
    if (ok_) ::new (&value_) T(other.value_);
    else ::new (&error_) failure(other.error_);
  }
  result& operator=(result other) noexcept {
    this->~result();
    ::new (this) result(std::move(other));
    return *this;
  }
  ~result() {
    if (ok_) value_.~T();
  }

  explicit operator bool() const noexcept { return ok_; }
  bool has_value() const noexcept { return ok_; }
  T& operator*() & noexcept { return value_; }
  const T& operator*() const& noexcept { return value_; }
  T&& operator*() && noexcept { return std::move(value_); }
  T* operator->() noexcept { return &value_; }
  const T* operator->() const noexcept { return &value_; }
  const failure& error() const noexcept { return error_; }
  T value_or(T other) const& { return ok_ ? value_ : std::move(other); }

private:
  union {
    T value_;
    failure error_;
  };
  bool ok_;
};

/// Success without a value, or a failure.
template <>
class [[nodiscard]] result<void> {
public:
  using value_type = void;
  result() noexcept = default;
  result(failure error) noexcept : error_(error), ok_(false) {}
  explicit operator bool() const noexcept { return ok_; }
  bool has_value() const noexcept { return ok_; }
  const failure& error() const noexcept { return error_; }

private:
  failure error_{};
  bool ok_ = true;
};

}  // namespace dsmm::inline DSMM_ABI
