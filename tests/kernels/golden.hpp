// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/core/tensor.hpp"

namespace golden {

/// FNV-1a over the bytes of values.
template <class T>
std::uint64_t hash(const std::vector<T>& values, std::uint64_t h = 0xCBF2'9CE4'8422'2325u) {
  for (const std::byte b : std::as_bytes(std::span(values)))
    h = (h ^ std::to_integer<std::uint64_t>(b)) * 0x100'0000'01B3u;
  return h;
}

/// Compares a hash with the line `name hash` of tests/golden/kernels.txt: equal on every machine and compiler.
inline void check(const std::string& name, std::uint64_t value) {
  static const std::vector<std::pair<std::string, std::uint64_t>> lines = [] {
    std::vector<std::pair<std::string, std::uint64_t>> all;
    std::ifstream file(std::string(DSMM_SOURCE_DIR) + "/tests/golden/kernels.txt");
    std::string key;
    for (std::uint64_t v = 0; file >> key >> std::hex >> v;) all.emplace_back(key, v);
    return all;
  }();
  for (const auto& [key, expected] : lines)
    if (key == name) {
      INFO("golden ", name, " is now ", doctest::toString(value));
      CHECK(value == expected);
      return;
    }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  FAIL_CHECK("no golden line: " << name << " " << text);
}

inline std::vector<std::uint8_t> random_u8(std::size_t n, std::uint64_t seed) {
  dsmm::rng random(seed);
  std::vector<std::uint8_t> v(n);
  for (auto& e : v) e = static_cast<std::uint8_t>(random.below(256));
  return v;
}

inline std::vector<float> random_f32(std::size_t n, std::uint64_t seed, float low, float high) {
  dsmm::rng random(seed);
  std::vector<float> v(n);
  for (auto& e : v) e = random.uniform(low, high);
  return v;
}

/// A (h, w, c) tensor in the middle of a larger buffer full of `guard`, pixels padded to `pixel` elements.
template <class T>
struct guarded {
  guarded(dsmm::extents shape, std::int32_t pixel_elements, T guard_value)
      : guard(guard_value),
        row(std::ptrdiff_t{shape.w + 2} * pixel_elements),
        buffer(static_cast<std::size_t>((shape.h + 2) * row), guard_value),
        view{buffer.data() + row + pixel_elements, shape, row, pixel_elements} {}

  /// Whether everything outside the h x w pixels still is the guard.
  bool halo_untouched() const {
    for (std::int32_t y = -1; y <= view.shape.h; ++y)
      for (std::int32_t x = -1; x <= view.shape.w; ++x)
        if (y < 0 || x < 0 || y == view.shape.h || x == view.shape.w)
          for (std::ptrdiff_t c = 0; c < view.pixel; ++c)
            if (view.at(y, x)[c] != guard) return false;
    return true;
  }
  /// Whether every channel beyond the shape's is `value`.
  bool padding_is(T value) const {
    for (std::int32_t y = 0; y < view.shape.h; ++y)
      for (std::int32_t x = 0; x < view.shape.w; ++x)
        for (std::ptrdiff_t c = view.shape.c; c < view.pixel; ++c)
          if (view.at(y, x)[c] != value) return false;
    return true;
  }

  /// Random bytes everywhere, halo and padding included.
  void randomize(std::uint64_t seed) requires std::same_as<T, std::uint8_t> {
    buffer = random_u8(buffer.size(), seed);
    view.data = buffer.data() + row + view.pixel;
  }

  T guard;
  std::ptrdiff_t row;
  std::vector<T> buffer;
  dsmm::tensor_view<T> view;
};

}  // namespace golden
