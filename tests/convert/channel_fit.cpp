// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/channel_fit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dsmm/convert/quantize/layer_targets.hpp"
#include "dsmm/core/rng.hpp"

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
  for (std::uint64_t s = 0; s < 4; ++s) targets.see(l, picture(s), 40);
  for (const std::size_t s : {3u, 0u, 1u}) {  // not all of them, and in another order
    std::vector<float> x = picture(s);
    for (float& v : x) v *= by;
    in.see(l, x, s, targets.of(s), 40);
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
    quantize_impl::channel_fit fit(l, in, o);
    fit.weights({l.w.data() + o * 27, 27});
    const float bias = fit.fit_bias();
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
  quantize_impl::channel_fit fit(l, in, 1);
  std::vector<float> w(l.w.begin() + 27, l.w.begin() + 54);
  fit.weights(w);
  const std::vector<double> more = form.solve(fit.pull());
  for (std::size_t k = 0; k < 27; ++k) {
    const auto was = static_cast<double>(w[k]);
    CHECK(was + more[k] == doctest::Approx(1.25 * was).epsilon(0.01));
  }
}
