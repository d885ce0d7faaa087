// SPDX-License-Identifier: Apache-2.0
#include "tools/timing/percentiles.hpp"

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("percentiles are values that were measured, by nearest rank") {
  std::vector<double> values;
  for (int i = 1000; i >= 1; --i) values.push_back(i);
  const auto p = dsmm::tools::percentiles::of(values);
  CHECK(p.p50 == 500);
  CHECK(p.p90 == 900);
  CHECK(p.p99 == 990);
  CHECK(p.p999 == 999);
  CHECK(p.max == 1000);
  const auto one = dsmm::tools::percentiles::of({7});
  CHECK(one.p50 == 7);
  CHECK(one.p999 == 7);
  CHECK(dsmm::tools::percentiles::of({}).max == 0);
  CHECK(dsmm::tools::percentile({1, 2}, 0) == 1);
}
