// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/i4s.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "dsmm/core/rng.hpp"

using namespace dsmm;

namespace {

std::vector<std::int8_t> expand(const std::vector<std::uint8_t>& i4s, std::size_t rows, std::size_t depth,
                                std::size_t group) {
  REQUIRE(i4s.size() == i4s_bytes(rows, depth, group));
  std::vector<std::int8_t> w8(rows * depth + 1, 99);
  kernels::expand_i4s(i4s.data(), rows, depth, group, w8.data());
  CHECK(w8.back() == 99);
  w8.pop_back();
  return w8;
}

}  // namespace

TEST_CASE("nibbles are read low first, rows start on a byte, and scale 16 is the default") {
  // Row 0: 0, 15, 8; row 1: 7, 9, 1. The upper nibble of each second byte belongs to nobody.
  CHECK(expand({0xF0, 0xA8, 0x97, 0xB1}, 2, 3, 0) == std::vector<std::int8_t>{-128, 112, 0, -16, 16, -112});
}

TEST_CASE("each row has a scale per group, the last group may be short") {
  // Depth 5, groups of 2: scales of values 0-1, 2-3, 4.
  CHECK(expand({0xF0, 0xF0, 0x0F, 1, 2, 16}, 1, 5, 2) == std::vector<std::int8_t>{-8, 7, -16, 14, 112});
  CHECK(expand({0x99, 0x99, 3, 5, 7, 11}, 2, 2, 1) == std::vector<std::int8_t>{3, 5, 7, 11});
}

TEST_CASE("all nibbles times all scales are int8") {
  for (int scale = 1; scale <= 16; ++scale)
    for (int nibble = 0; nibble < 16; ++nibble) {
      const auto w8 = expand({static_cast<std::uint8_t>(nibble), static_cast<std::uint8_t>(scale)}, 1, 1, 32);
      CHECK(int{w8[0]} == (nibble - 8) * scale);
    }
}

TEST_CASE("random layouts against arithmetic on indices") {
  rng random(1);
  for (int i = 0; i < 100; ++i) {
    const std::size_t rows = 1 + random.below(9), depth = 1 + random.below(200), group = random.below(4) * 32;
    std::vector<std::uint8_t> i4s(i4s_bytes(rows, depth, group));
    for (auto& v : i4s) v = static_cast<std::uint8_t>(random.below(256));
    const std::size_t scales = rows * ((depth + 1) / 2), groups = group == 0 ? 0 : (depth + group - 1) / group;
    for (std::size_t s = scales; s < i4s.size(); ++s) i4s[s] = static_cast<std::uint8_t>(1 + random.below(16));
    const auto w8 = expand(i4s, rows, depth, group);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < depth; ++k) {
        const int byte = i4s[r * ((depth + 1) / 2) + k / 2];
        const int scale = group == 0 ? 16 : i4s[scales + r * groups + k / group];
        REQUIRE(int{w8[r * depth + k]} == ((k % 2 == 0 ? byte % 16 : byte / 16) - 8) * scale);
      }
  }
}
