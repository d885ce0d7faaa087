// SPDX-License-Identifier: Apache-2.0
#include "dsmm/explain/text_line.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using dsmm::text_line;

TEST_CASE("text_line: numbers") {
  const auto fixed = [](double v, std::uint32_t decimals) {
    return std::string(text_line().fixed(v, decimals).view());
  };
  CHECK(fixed(0.5, 3) == "0.500");
  CHECK(fixed(0.0625, 3) == "0.063");
  CHECK(fixed(-1.25, 1) == "-1.3");
  CHECK(fixed(99.999, 2) == "100.00");
  CHECK(fixed(7, 0) == "7");
  CHECK(fixed(1e9, 1) == ">999999");
  CHECK(fixed(std::numeric_limits<double>::infinity(), 1) == ">999999");
  CHECK(fixed(-std::numeric_limits<double>::infinity(), 1) == "->999999");
  CHECK(fixed(std::numeric_limits<double>::quiet_NaN(), 1) == "-");
  CHECK((text_line() << std::numeric_limits<std::int64_t>::min()).view() == "-9223372036854775808");
  CHECK((text_line() << std::numeric_limits<std::int64_t>::max()).view() == "9223372036854775807");
  CHECK((text_line() << std::int64_t{0}).view() == "0");
}

TEST_CASE("text_line: what does not fit is cut") {
  text_line line;
  for (int i = 0; i < 20; ++i) line << "0123456789";
  CHECK(line.view().size() == 95);
  line << std::int64_t{12345};
  CHECK(line.view().size() == 95);
  CHECK(line.view().substr(90) == "01234");
}
