// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/channel_fit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/convert/quantize/layer_targets.hpp"
#include "dsmm/convert/quantize/moment_form.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/core/thread_pool.hpp"

using namespace dsmm;
using namespace dsmm::convert;

namespace {

/// (1, 3, 10, 10) to 4 channels by 3x3 with padding.
weight_layer small_layer(bool relu) {
  weight_layer l;
  l.from.shape = {10, 10, 3};
  l.to.shape = {10, 10, 4};
  l.x_strides = {10, 1, 100};
  l.kernel_h = l.kernel_w = 3;
  l.top = l.left = l.bottom = l.right = 1;
  l.relu = relu;
  rng r(3);
  l.w.resize(4 * 27);
  for (float& w : l.w) w = r.uniform(-0.5f, 0.5f);
  l.bias = {0.1f, -0.3f, 0.2f, -1.0f};
  return l;
}

std::vector<float> picture(std::uint64_t seed) {
  rng r(seed);
  std::vector<float> x(300);
  for (float& v : x) v = r.uniform(0.0f, 1.0f);
  return x;
}

/// Inputs that are `by` times what the targets were made of.
layer_inputs faded(const weight_layer& l, float by) {
  layer_inputs in(l, true, 5);
  layer_targets targets(5);
  for (std::uint64_t s = 0; s < 4; ++s) targets.see(l, picture(s), 40, {});
  for (const std::size_t s : {3u, 0u, 1u}) {  // not all of them, and in another order
    std::vector<float> x = picture(s);
    for (float& v : x) v *= by;
    in.see(l, x, s, targets.of(s), 40, {});
  }
  return in;
}

double relu_loss(const layer_inputs& in, const weight_layer& l, std::size_t o, float bias) {
  double sum = 0;
  for (std::size_t i = 0; i < in.count(); ++i) {
    const float z = quantize_impl::row_dot(l.w.data() + o * l.depth(), in.row(i).data(), l.depth()) + bias;
    const float t = in.target(i, o);
    const double e = static_cast<double>(t > 0 ? t - z : -std::max(z, 0.0f));
    sum += e * e;
  }
  return sum;
}

}  // namespace

TEST_CASE("inputs and targets of one seed come from the same pixels") {
  const weight_layer l = small_layer(false);
  const layer_inputs in = faded(l, 1.0f);
  REQUIRE(in.count() == 120);
  REQUIRE(in.starts().size() == 3);
  for (std::size_t i = 0; i < in.count(); ++i)
    for (std::size_t o = 0; o < 4; ++o)
      REQUIRE(in.target(i, o) == quantize_impl::row_dot(l.w.data() + o * 27, in.row(i).data(), 27) + l.bias[o]);
}

TEST_CASE("the bias goes to the least error behind the ReLU, not before it") {
  const weight_layer l = small_layer(true);
  const layer_inputs in = faded(l, 0.8f);
  for (std::size_t o = 0; o < 4; ++o) {
    quantize_impl::channel_fit fit(l, in, o, 1);
    fit.weights({l.w.data() + o * 27, 27});
    const float bias = fit.fit_bias(0);
    const double before = relu_loss(in, l, o, l.bias[o]), reached = relu_loss(in, l, o, bias);
    double least = before;
    for (int k = -200; k <= 200; ++k)
      least = std::min(least, relu_loss(in, l, o, l.bias[o] + static_cast<float>(k) * 0.005f));
    CHECK(reached <= before);
    CHECK(reached <= least + 0.05 * (before - least) + 1e-9);
  }
}

TEST_CASE("steps by the inverse moments undo what happened to the inputs") {
  const weight_layer l = small_layer(false);
  const layer_inputs in = faded(l, 0.8f);
  const quantize_impl::moment_form form(in.moments()[0], 1e-6);
  REQUIRE(form.usable());
  quantize_impl::channel_fit fit(l, in, 1, 1);
  std::vector<float> w(l.w.begin() + 27, l.w.begin() + 54);
  fit.weights(w);
  std::vector<double> more = fit.pull();
  form.solve(more, 1);
  for (std::size_t k = 0; k < 27; ++k) {
    const auto was = static_cast<double>(w[k]);
    CHECK(was + more[k] == doctest::Approx(1.25 * was).epsilon(0.01));
  }
}

TEST_CASE("channels fitted together get the bits of each alone") {
  const weight_layer l = small_layer(true);
  const layer_inputs in = faded(l, 0.9f);
  const quantize_impl::moment_form form(in.moments()[0], 0.5);
  quantize_impl::channel_fit all(l, in, 0, 4);
  all.weights(l.w);
  std::vector<float> bias;
  for (std::size_t o = 0; o < 4; ++o) bias.push_back(all.fit_bias(o));
  std::vector<double> more = all.pull();
  form.solve(more, 4);
  for (std::size_t o = 0; o < 4; ++o) {
    quantize_impl::channel_fit one(l, in, o, 1);
    one.weights({l.w.data() + o * 27, 27});
    CHECK(one.fit_bias(0) == bias[o]);
    std::vector<double> alone = one.pull();
    form.solve(alone, 1);
    CHECK(alone == std::vector<double>(more.begin() + static_cast<std::ptrdiff_t>(o * 27),
                                       more.begin() + static_cast<std::ptrdiff_t>(o * 27 + 27)));
  }
}

TEST_CASE("moments are the sums over rows and means, whoever shares them out") {
  const weight_layer l = small_layer(false);
  thread_pool pool(3);
  layer_inputs alone(l, true, 5), shared(l, true, 5);
  const std::vector<float> targets(39 * 4, 0.0f);
  alone.see(l, picture(1), 1, targets, 39, {});  // not a multiple of four
  shared.see(l, picture(1), 1, targets, 39, pool.handle());
  CHECK(alone.moments()[0].m == shared.moments()[0].m);
  for (std::size_t i = 0; i < 27; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0, a = 0, b = 0;
      for (std::size_t r = 0; r < alone.count(); ++r) {
        const auto x = static_cast<double>(alone.row(r)[i]), y = static_cast<double>(alone.row(r)[j]);
        sum += x * y, a += x, b += y;
      }
      const double wanted = sum + sample_weight * a * b / 39;
      CHECK(alone.moments()[0].m[i * 27 + j] == doctest::Approx(wanted).epsilon(1e-5));
    }
  for (std::size_t k = 0; k < 27; ++k) {
    float sum = 0;
    for (std::size_t r = 0; r < alone.count(); ++r) sum += alone.row(r)[k];
    CHECK(alone.sum(0)[k] == sum);
  }
}
