// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/nd/lrn.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "dsmm/core/thread_pool.hpp"
#include "tests/kernels/nd/call_case.hpp"

namespace nd = dsmm::kernels::nd;
using nd_case::tensor;

namespace {

constexpr std::int64_t channels = 7, plane = 600;  // more than a run of sums

/// The formula in f64, with f64 sums.
double exact(const tensor<float>& x, std::int64_t n, std::int64_t channel, std::int64_t i, int size, double beta) {
  const auto at = [&](std::int64_t k) {
    return static_cast<double>(x[static_cast<std::size_t>((n * channels + k) * plane + i)]);
  };
  double sum = 0;
  for (std::int64_t k = std::max<std::int64_t>(0, channel - (size - 1) / 2);
       k <= std::min<std::int64_t>(channels - 1, channel + size / 2); ++k)
    sum += at(k) * at(k);
  return at(channel) / std::pow(static_cast<double>(1.5f) + static_cast<double>(0.3f) * sum / size, beta);
}

}  // namespace

TEST_CASE("lrn is the formula, to a few units in the last place, whoever shares it out") {
  const auto x = tensor<float>::random({2, channels, 20, 30}, 3, -4, 4);
  dsmm::thread_pool pool(3);
  for (const int size : {1, 2, 3, 5, 9, 20})  // also wider than all channels together
    for (const float beta : {0.75f, 0.5f}) {
      tensor<float> y({2, channels, 20, 30}), shared({2, channels, 20, 30});
      const std::vector<std::int32_t> attributes{size, nd_case::bits(0.3f), nd_case::bits(beta), nd_case::bits(1.5f)};
      nd_case::run(&nd::nd_lrn, {x.view()}, {y.view()}, attributes);
      nd_case::run(&nd::nd_lrn, {x.view()}, {shared.view()}, attributes, nullptr, dsmm::best_isa(), pool.handle());
      CHECK(y.values() == shared.values());
      double worst = 0;  // in units of 2^-23 of the value
      for (std::size_t at = 0; at < y.values().size(); ++at) {
        const auto p = static_cast<std::int64_t>(at) / plane, i = static_cast<std::int64_t>(at) % plane;
        const double wanted = exact(x, p / channels, p % channels, i, size, static_cast<double>(beta));
        worst = std::max(worst, std::abs(static_cast<double>(y[at]) - wanted) / std::abs(wanted) * 0x1p23);
      }
      CAPTURE(size);
      CHECK(worst < 4);
    }
}
