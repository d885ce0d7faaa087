// SPDX-License-Identifier: Apache-2.0
// What one new hop of a sensor costs a causal network, against the window that its answer depends on. The state of each
// layer is kept, so the cost must not grow; beside it stands the cost of running the whole window again.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "tests/graph/sample_models.hpp"

namespace {

constexpr std::int32_t hop = 64, channels = 16;

/// Four causal layers whose answer depends on about `window` past steps, run `steps` at a time.
dsmm::model_writer causal_net(std::int32_t window, std::int32_t steps) {
  using dsmm::op_kind;
  dsmm::model_writer m;
  dsmm::rng random(3);
  const dsmm::quantization q{1.0f / 64, 0};
  auto x = m.input("x", dsmm::dtype::u8, {steps, 1, channels}, q);
  const std::int32_t dilations[] = {1, window / 16, window / 8, window / 4};
  std::uint32_t values[4], states[4];
  samples::conv_constants w[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    states[i] = m.state("past" + n, dsmm::dtype::u8, {2 * dilations[i], 1, channels}, q);
    values[i] = i == 3 ? m.output("y", dsmm::dtype::u8, {steps, 1, channels}, q)
                       : m.value("v" + n, dsmm::dtype::u8, {steps, 1, channels}, q);
    w[i] = samples::add_conv(m, random, channels, 3, 1, channels);
  }
  m.program("hop");
  for (std::size_t i = 0; i < 4; ++i) {
    m.op(op_kind::causal_conv1d, "layer", {x, w[i].w, w[i].bias, w[i].scale, states[i]}, {values[i]},
         {dilations[i], 1});
    x = values[i];
  }
  return m;
}

double median_us(dsmm::session& s, int runs) {
  std::vector<double> us;
  for (int r = 0; r < runs; ++r) {
    const auto start = std::chrono::steady_clock::now();
    s.run();
    us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(us.begin(), us.begin() + runs / 2, us.end());
  return us[static_cast<std::size_t>(runs) / 2];
}

}  // namespace

int main() {
  std::printf("%8s %18s %22s\n", "window", "one hop (64), us", "whole window again, us");
  for (const std::int32_t window : {1024, 4096, 16384, 32768}) {
    auto streamed = samples::load(causal_net(window, hop)), offline = samples::load(causal_net(window, window));
    if (!streamed || !offline) return std::puts("the network could not be prepared"), 1;
    median_us(streamed->session, 50);
    std::printf("%8d %18.2f %22.1f\n", window, median_us(streamed->session, 2000), median_us(offline->session, 20));
  }
}
