// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/narrow_float.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// A tensor in memory: dense, row-major.
struct array {
  dtype type = dtype::f32;
  convert::dim_list dims;
  std::vector<std::byte> bytes;
};

/// How far f32 results are from the expected ones, in units of the last place.
struct ulp_histogram {
  static constexpr std::array<std::uint64_t, 7> limits{0, 1, 2, 4, 16, 256, 65'536};
  std::array<std::uint64_t, 8> counts{};

  void add(float a, float b) noexcept {
    const auto ordered = [](float x) {
      const auto bits = std::bit_cast<std::int32_t>(x);
      return static_cast<std::int64_t>(bits < 0 ? std::numeric_limits<std::int32_t>::min() - bits : bits);
    };
    const std::int64_t d = ordered(a) - ordered(b);
    const auto distance = static_cast<std::uint64_t>(d < 0 ? -d : d);
    std::size_t i = 0;
    while (i < limits.size() && distance > limits[i]) ++i;
    ++counts[i];
  }
};

struct tolerance {
  double relative = 1e-3, absolute = 1e-6;
};

/// Element i as a number; exact for all types but 64-bit integers above 2^53, which are compared as bits.
inline double number_at(const array& a, std::size_t i) noexcept {
  const std::size_t n = size_of(a.type);
  std::uint64_t bits = 0;
  std::memcpy(&bits, a.bytes.data() + i * n, n);
  if (a.type == dtype::f32) return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  if (a.type == dtype::f64) return std::bit_cast<double>(bits);
  if (is_narrow_float(a.type))
    return static_cast<double>(widen(static_cast<std::uint16_t>(bits), narrow_format_of(a.type)));
  const auto shift = static_cast<unsigned>(64 - 8 * n);
  if (is_signed_integer(a.type)) return static_cast<double>(static_cast<std::int64_t>(bits << shift) >> shift);
  return static_cast<double>(bits);
}

inline std::string text_of(const convert::dim_list& dims) {
  std::string out = "(";
  for (const std::int64_t d : dims) out += (out.size() > 1 ? ", " : "") + std::to_string(d);
  return out + ")";
}

/// Empty if `got` is what was expected: the same type and shape, integers and truth values exactly, floats within
/// the tolerance, NaN where NaN is expected. Otherwise what differs.
inline std::string difference(const array& got, const array& expected, const tolerance& t, ulp_histogram& ulps) {
  if (got.type != expected.type)
    return std::string("type is ") + to_string(got.type) + ", not " + to_string(expected.type);
  if (got.dims != expected.dims) return "shape is " + text_of(got.dims) + ", not " + text_of(expected.dims);
  if (got.bytes.size() != expected.bytes.size()) return "bytes are missing";
  if (!is_float(got.type)) {
    for (std::size_t i = 0, n = size_of(got.type); i < got.bytes.size() / n; ++i)
      if (std::memcmp(got.bytes.data() + i * n, expected.bytes.data() + i * n, n) != 0)
        return "element " + std::to_string(i) + " is " + std::to_string(number_at(got, i)) + ", not " +
               std::to_string(number_at(expected, i));
    return {};
  }
  std::size_t wrong = 0, first = 0;
  const std::size_t count = got.bytes.size() / size_of(got.type);
  for (std::size_t i = 0; i < count; ++i) {
    const double a = number_at(got, i), b = number_at(expected, i);
    if (got.type == dtype::f32 && std::isfinite(a) && std::isfinite(b))
      ulps.add(static_cast<float>(a), static_cast<float>(b));
    const bool same =
        a == b || (std::isnan(a) && std::isnan(b)) ||
        (std::isfinite(a) && std::isfinite(b) && std::fabs(a - b) <= t.absolute + t.relative * std::fabs(b));
    if (!same && wrong++ == 0) first = i;
  }
  if (wrong == 0) return {};
  char text[160];
  std::snprintf(text, sizeof(text), "%zu of %zu elements differ, e.g. element %zu is %.9g, not %.9g", wrong, count,
                first, number_at(got, first), number_at(expected, first));
  return text;
}

}  // namespace dsmm::inline DSMM_ABI::tools
