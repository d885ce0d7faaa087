// SPDX-License-Identifier: Apache-2.0
// vibration: a sensor without a camera, hop by hop. A spindle turns; half a second later a bearing begins to ring.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/writer.hpp"
#include "dsmm/stream/hop.hpp"
#include "dsmm/stream/join.hpp"

namespace {

using namespace std::chrono_literals;

constexpr int rate = 20'000, hop = 64, chunk = 100;  // samples a second, in a run of the model, in a delivery

/// A model of one operator, so that the example needs no file; a trained one comes from dsmm::owned_model::open(path).
dsmm::result<dsmm::file_bytes> band_levels() {
  std::array<float, 256> window;
  for (int i = 0; i < 256; ++i) {
    const float x = (static_cast<float>(i) - 127.5f) / 128.0f;
    window[static_cast<std::size_t>(i)] = 1.0f - x * x;
  }
  const std::array<std::int32_t, 4> edges{1, 8, 20, 40};  // bins of 78.125 Hz
  dsmm::model_writer w;
  const auto x = w.input("vibration", dsmm::dtype::f32, {hop, 1, 1});
  const auto past = w.state("past", dsmm::dtype::f32, {256, 1, 1});
  const auto shape = w.constant<float>("window", {256}, window);
  const auto bands = w.constant<std::int32_t>("bands", {4}, edges);
  const auto y = w.output("levels", dsmm::dtype::f32, {1, 1, 6});  // 3 bands, mean square, peak, kurtosis
  w.program("hop");
  w.op(dsmm::op_kind::spectral, "levels", {x, past, shape, bands}, {y});
  return w.finish();
}

/// What the sensor measures at sample i: the spindle at 125 Hz, noise, and from 0.5 s on a bearing at 2 kHz. In g.
float measured(int i, dsmm::rng& noise) {
  const auto triangle = [i](int period) {  // -1..1
    return static_cast<float>(4 * std::abs(i % period - period / 2)) / static_cast<float>(period) - 1.0f;
  };
  return triangle(160) + 0.02f * noise.normal() + (i >= rate / 2 ? 0.2f * triangle(10) : 0.0f);
}

int fail(const dsmm::failure& why) {
  return std::printf("vibration: %s: %s\n", dsmm::to_string(why.code), why.text), 1;
}

}  // namespace

int main() {
  auto file = band_levels();
  if (!file) return fail(file.error());
  const auto model = dsmm::owned_model::adopt(std::move(*file));
  if (!model) return fail(model.error());

  // Memory is the caller's; after prepare() nothing is allocated.
  struct alignas(64) line {
    std::byte bytes[64];
  };
  const auto size = dsmm::session::required(**model);
  if (!size) return fail(size.error());
  std::vector<line> arena(*size / sizeof(line) + 1);
  auto session = dsmm::session::prepare(**model, std::as_writable_bytes(std::span(arena)));
  if (!session) return fail(session.error());
  const auto input = session->f32(*session->find("vibration"));
  const auto levels = session->f32(*session->find("levels"));

  dsmm::joiner joiner({.window = 120ms});  // longer than the time between two looks
  if (auto ok = joiner.add({.name = "vibration", .unit = "g", .rate = {rate, 1}}); !ok) return fail(ok.error());
  auto cutter = dsmm::hop_cutter::make(hop, 1);
  if (!cutter) return fail(cutter.error());

  dsmm::rng noise(1);
  std::array<float, chunk> samples;
  for (int first = 0; first < rate; first += chunk) {
    for (int i = 0; i < chunk; ++i) samples[static_cast<std::size_t>(i)] = measured(first + i, noise);
    const auto time = dsmm::sample_rate{rate, 1}.duration(first);
    const bool lost = first == 6'000;  // one delivery at 0.3 s gets lost on the cable
    if (!lost) joiner.sensor(0).place({time, samples.data(), samples.size(), false});
    if ((first + chunk) % 2'000 != 0) continue;

    // Every 100 ms: what the sensor measured until now. Windows may overlap; each sample is computed once.
    const auto now = time + 5ms;
    const auto joined = joiner.join(now, joiner.decide(now, 0ms, true), true);
    std::size_t ringing = 0;
    const auto cut = cutter->consume(joined.sensors[0], [&](std::int64_t, const float* fresh) {
      std::copy_n(fresh, hop, input.data);
      session->run();
      ringing += levels.data[2] > -2.0f;  // octaves of power between 1.6 and 3.1 kHz
    });
    std::printf("%4d ms  %-8s %2zu hops, %2zu ringing, last bands %6.2f %6.2f %6.2f\n", (first + chunk) / 20,
                dsmm::to_string(joined.sensors[0].health), cut.hops, ringing, double(levels.data[0]),
                double(levels.data[1]), double(levels.data[2]));
  }
}
