// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// What ends a sub-command: main prints `dsmm: <what> (<where>): <what to do>` on one line of stderr and exits with
/// `status`. Thrown by sub-commands, never by the library.
struct problem {
  std::string what, where, advice;
  int status = 1;  ///< 1: the job failed; 2: the command was used wrongly
};

/// What a person can do about an error of the library.
constexpr std::string_view advice_for(errc code) noexcept {
  switch (code) {
    case errc::ok: return "nothing";
    case errc::not_found: return "check the name";
    case errc::io: return "check the path, its permissions and the disk";
    case errc::bad_magic: return "give a file that dsmm wrote";
    case errc::bad_version: return "update dsmm, or write the model again with this version";
    case errc::truncated:
    case errc::bad_hash: return "copy the file again from where it was made";
    case errc::bad_layout:
    case errc::bad_index:
    case errc::bad_value:
    case errc::too_large:
    case errc::shape_mismatch:
    case errc::dtype_mismatch: return "correct it where it was made; it was not used";
    case errc::unsupported: return "update dsmm, or write the model without it";
    case errc::arena_too_small: return "give more memory";
    case errc::wrong_product: return "choose the model that was made for this product";
    case errc::self_test_failed:
      return "do not use this machine for inspection before its memory and build were checked";
    case errc::invalid_argument: return "see dsmm --help";
  }
  return "see dsmm --help";
}

/// A library failure in the terms of the command line. `subject` is the file or folder that was worked on.
inline problem to_problem(const failure& f, std::string_view subject) {
  std::string where(subject);
  if (f.name[0] != '\0' && !subject.ends_with(f.name)) where.append(where.empty() ? "" : ", ").append(f.name);
  if (f.where >= 0) where.append(where.empty() ? "at " : ", at ").append(std::to_string(f.where));
  return {f.text, std::move(where), std::string(advice_for(f.code))};
}

/// The value, or a problem.
template <class T>
T need(result<T>&& r, std::string_view subject) {
  if (!r) throw to_problem(r.error(), subject);
  if constexpr (!std::is_void_v<T>) return std::move(*r);
}

}  // namespace dsmm::inline DSMM_ABI::tools
