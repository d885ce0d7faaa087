// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nearest.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/model/file.hpp"
#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

struct bank_case {
  std::int32_t features, depth, queries;
};

/// One by one.
std::vector<k::neighbour> expected(const bank_case& c, const std::vector<std::uint8_t>& bank,
                                   const std::vector<std::uint8_t>& queries, std::int32_t row) {
  std::vector<k::neighbour> out;
  for (std::int32_t r = 0; r < c.queries; ++r) {
    k::neighbour best{-1, 0x7FFF'FFFF};
    for (std::int32_t j = 0; j < c.features; ++j) {
      std::int32_t sum = 0;
      for (std::int32_t i = 0; i < c.depth; ++i) {
        const std::int32_t d =
            queries[static_cast<std::size_t>(r * row + i)] - bank[static_cast<std::size_t>(j * c.depth + i)];
        sum += d * d;
      }
      if (sum < best.distance) best = {j, sum};
    }
    out.push_back(best);
  }
  return out;
}

}  // namespace

TEST_CASE("the nearest feature and its exact distance, on every instruction set, of any count and depth") {
  for (const bank_case& c : {bank_case{1, 1, 1}, bank_case{3, 5, 2}, bank_case{16, 64, 17}, bank_case{33, 63, 40},
                             bank_case{300, 128, 50}, bank_case{100, 1000, 5}})
    for (const bool like : {false, true}) {
      std::vector<std::uint8_t> bank = golden::random_u8(static_cast<std::size_t>(c.features * c.depth), 1);
      const std::int32_t row = c.depth + 5;  // rows need not be dense
      std::vector<std::uint8_t> queries = golden::random_u8(static_cast<std::size_t>(c.queries * row) + 3, 2);
      if (like)  // features that repeat: the first one counts
        for (std::size_t i = 0; i < bank.size(); ++i) bank[i] = bank[i % static_cast<std::size_t>(c.depth)];
      const auto wanted = expected(c, bank, queries, row);
      for (const auto& set : dsmm::isa_rows) {
        if (!set.here()) continue;
        CAPTURE(set.name);
        auto memory = dsmm::file_bytes::allocate(k::nearest_pack_bytes(c.features, c.depth, set.id));
        auto scratch = dsmm::file_bytes::allocate(
            std::max(k::nearest_pack_scratch(c.features, c.depth), k::nearest_scratch(c.features)));
        const auto ready =
            k::nearest_pack(bank.data(), c.features, c.depth, set.id, memory->bytes().data(), scratch->bytes().data());
        std::vector<k::neighbour> got(static_cast<std::size_t>(c.queries));
        const dsmm::tensor_view<const std::uint8_t> x{queries.data(), {c.queries, 1, c.depth}, row, row};
        k::nearest(ready, x, 0, c.queries / 2, got.data(), scratch->bytes().data());
        k::nearest(ready, x, c.queries / 2, c.queries, got.data(), scratch->bytes().data());
        for (std::size_t r = 0; r < got.size(); ++r) {
          CHECK(got[r].index == wanted[r].index);
          CHECK(got[r].distance == wanted[r].distance);
        }
      }
    }
}

TEST_CASE("the longest distance of the greatest depth fits") {
  constexpr std::int32_t depth = k::nearest_most_depth;
  for (const bool high : {false, true}) {
    const std::vector<std::uint8_t> bank(depth, high ? 255 : 0), query(depth + 3, high ? 0 : 255);
    for (const auto& set : dsmm::isa_rows) {
      if (!set.here()) continue;
      auto memory = dsmm::file_bytes::allocate(k::nearest_pack_bytes(1, depth, set.id));
      auto scratch = dsmm::file_bytes::allocate(std::max(k::nearest_pack_scratch(1, depth), k::nearest_scratch(1)));
      const auto ready =
          k::nearest_pack(bank.data(), 1, depth, set.id, memory->bytes().data(), scratch->bytes().data());
      k::neighbour got;
      k::nearest(ready, {query.data(), {1, 1, depth}, depth, depth}, 0, 1, &got, scratch->bytes().data());
      CHECK(got.index == 0);
      CHECK(got.distance == 255 * 255 * depth);
    }
  }
}
