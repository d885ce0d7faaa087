// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/pass/align_constants.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

TEST_CASE("constants at odd addresses are copied to even ones, the others stay where they are") {
  alignas(16) std::array<std::byte, 32> file{};
  for (std::size_t i = 0; i < file.size(); ++i) file[i] = static_cast<std::byte>(i);
  dsmm::convert::lowered_graph g;
  for (const std::size_t at : {0u, 8u, 3u, 5u}) {
    dsmm::convert::lowered_value v{dsmm::dtype::f32, {4}};
    v.is_constant = true;
    v.bytes = std::span<const std::byte>(file).subspan(at, 16);
    g.values.push_back(v);
  }
  g.values.emplace_back();  // no constant, without memory
  dsmm::convert::align_constants(g);
  CHECK(g.values[0].bytes.data() == file.data());
  CHECK(g.values[1].bytes.data() == file.data() + 8);
  for (const std::size_t i : {2u, 3u}) {
    CHECK(reinterpret_cast<std::uintptr_t>(g.values[i].bytes.data()) % 8 == 0);
    CHECK(g.values[i].bytes.size() == 16);
    CHECK(g.values[i].bytes[15] == static_cast<std::byte>((i == 2 ? 3 : 5) + 15));
  }
  CHECK(g.values[4].bytes.empty());
}
