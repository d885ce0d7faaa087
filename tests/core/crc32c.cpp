// SPDX-License-Identifier: Apache-2.0
#include "dsmm/core/crc32c.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string_view>
#include <vector>

#include "dsmm/core/rng.hpp"

TEST_CASE("crc32c reproduces the check value and the RFC 3720 examples") {
  constexpr std::string_view digits = "123456789";
  CHECK(dsmm::crc32c(std::as_bytes(std::span(digits.data(), digits.size()))) == 0xE306'9283u);
  std::array<std::byte, 32> data{};
  CHECK(dsmm::crc32c(data) == 0x8A91'36AAu);
  data.fill(std::byte{0xFF});
  CHECK(dsmm::crc32c(data) == 0x62A8'AB43u);
  for (std::size_t i = 0; i < 32; ++i) data[i] = static_cast<std::byte>(i);
  CHECK(dsmm::crc32c(data) == 0x46DD'794Eu);
}

TEST_CASE("crc32c continues over pieces") {
  dsmm::rng random(3);
  std::vector<std::byte> data(200);
  for (std::byte& b : data) b = static_cast<std::byte>(random.u32());
  for (std::size_t cut = 0; cut <= data.size(); ++cut) {
    const std::uint32_t first = dsmm::crc32c({data.data(), cut});
    REQUIRE(dsmm::crc32c({data.data() + cut, data.size() - cut}, first) == dsmm::crc32c(data));
  }
}
