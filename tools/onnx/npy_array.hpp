// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "dsmm/core/dtype.hpp"
#include "tools/npy.hpp"
#include "tools/onnx/compare.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// The type of .npy files that holds a dtype. numpy has no bf16, f8 and 4-bit types: they are exchanged as their bits.
constexpr npy_type npy_of(dtype type) noexcept {
  switch (type) {
    case dtype::s8:
    case dtype::s4: return npy_type::i8;
    case dtype::s16: return npy_type::i16;
    case dtype::s32: return npy_type::i32;
    case dtype::s64: return npy_type::i64;
    case dtype::u16:
    case dtype::bf16: return npy_type::u16;
    case dtype::u32: return npy_type::u32;
    case dtype::u64: return npy_type::u64;
    case dtype::f16: return npy_type::f16;
    case dtype::f32: return npy_type::f32;
    case dtype::f64: return npy_type::f64;
    case dtype::b8: return npy_type::b8;
    default: return npy_type::u8;
  }
}

/// The dtype that an array has by itself.
constexpr dtype dtype_of(npy_type type) noexcept {
  for (const dtype d : {dtype::u8, dtype::s8, dtype::s16, dtype::s32, dtype::s64, dtype::u16, dtype::u32, dtype::u64,
                        dtype::f16, dtype::f32, dtype::f64, dtype::b8})
    if (npy_of(d) == type) return d;
  return dtype::u8;
}

inline array to_array(const file_bytes& file, const std::string& path) {
  const npy_view view = need(parse_npy(file.bytes()), path);
  return {dtype_of(view.type), view.shape, {view.data.begin(), view.data.end()}};
}

inline array read_npy_array(const std::string& path) { return to_array(need(read_file(path.c_str()), path), path); }

/// NAME=FILE.npy
inline std::pair<std::string, std::string> name_and_file(const std::string& option, const char* command) {
  const std::size_t equal = option.find('=');
  if (equal == std::string::npos || equal == 0)
    throw problem{"this must be NAME=FILE.npy", option, std::string("see dsmm ") + command + " --help", 2};
  return {option.substr(0, equal), option.substr(equal + 1)};
}

}  // namespace dsmm::inline DSMM_ABI::tools
