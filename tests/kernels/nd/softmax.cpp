// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/softmax.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tests/kernels/nd/call_case.hpp"

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

TEST_CASE("many short rows have the bits of rows one by one") {
  for (const nd::softmax_fn f : {nd::softmax_fn::softmax, nd::softmax_fn::log_softmax, nd::softmax_fn::hardmax})
    for (std::int64_t n = 1; n <= 17; ++n) {
      tensor<float> x = tensor<float>::random({75, n}, static_cast<std::uint64_t>(n), -20, 20), y({75, n});
      x.values()[static_cast<std::size_t>(n) * 3] = NAN;
      x.values()[static_cast<std::size_t>(n) * 40] = INFINITY;
      std::fill_n(x.values().begin() + 9 * n, n, -INFINITY);
      std::fill_n(x.values().begin() + 12 * n, n, -0.0f);
      nd_case::run(&nd::nd_softmax, {x.view()}, {y.view()}, {static_cast<std::int32_t>(f), 1});
      std::vector<float> row(static_cast<std::size_t>(n));
      for (std::size_t r = 0; r < 75; ++r) {
        nd::softmax_impl::contiguous(f, x.values().data() + r * row.size(), row.data(), row.size());
        CHECK(std::memcmp(row.data(), y.values().data() + r * row.size(), row.size() * sizeof(float)) == 0);
      }
    }
}
