// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/matmul.hpp"

#include <doctest/doctest.h>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace {

namespace nd = dsmm::kernels::nd;
using nd_case::bits;
using nd_case::tensor;

}  // namespace

TEST_CASE("nd_matmul: f32 of every variant equals one chain of fused multiply-adds per element") {
  struct row {
    std::int64_t m, n, k;
  };
  for (const row& r :
       {row{1, 1, 1}, row{5, 7, 3}, row{17, 70, 33}, row{1, 100, 300}, row{130, 16, 257}, row{64, 65, 64}})
    for (const int trans : {0, 1, 2, 3}) {
      const bool ta = (trans & 1) != 0, tb = (trans & 2) != 0;
      const auto a = ta ? tensor<float>::random({2, r.k, r.m}, 1) : tensor<float>::random({2, r.m, r.k}, 1);
      const auto b = tb ? tensor<float>::random({1, r.n, r.k}, 2) : tensor<float>::random({1, r.k, r.n}, 2);
      const auto c = tensor<float>::random({r.n}, 3);
      std::vector<float> expected;
      for (std::int64_t batch = 0; batch < 2; ++batch)
        for (std::int64_t m = 0; m < r.m; ++m)
          for (std::int64_t n = 0; n < r.n; ++n) {
            float sum = 0.0f;
            for (std::int64_t k = 0; k < r.k; ++k) {
              const std::int64_t at = batch * r.m * r.k + (ta ? k * r.m + m : m * r.k + k);
              sum = __builtin_fmaf(a[static_cast<std::size_t>(at)],
                                   b[static_cast<std::size_t>(tb ? n * r.k + k : k * r.n + n)], sum);
            }
            expected.push_back(sum * 0.5f + 2.0f * c[static_cast<std::size_t>(n)]);
          }
      for (const auto& [level, name, below, here] : dsmm::isa_rows) {
        if (!here()) continue;
        for (const unsigned width : {1u, 3u}) {
          dsmm::thread_pool pool(width);
          tensor<float> y({2, r.m, r.n});
          nd_case::run(nd::nd_matmul, {a.view(), b.view(), c.view()}, {y.view()},
                       {ta, tb, bits(0.5f), bits(2.0f), 0, 0, 0}, nd::nd_matmul_scratch, level, pool.handle());
          CHECK_MESSAGE(y.values() == expected, name);
        }
      }
    }
}

TEST_CASE("nd_matmul: integers wrap") {
  const tensor<std::uint32_t> a({1, 2}, {0xFFFF'FFFFu, 2}), b({2, 1}, {3, 5});
  tensor<std::uint32_t> y({1, 1});
  nd_case::run(nd::nd_matmul, {a.view(), b.view()}, {y.view()}, {0, 0, bits(1.0f), bits(1.0f), 0, 0, 0});
  CHECK(y[0] == 7);
}
