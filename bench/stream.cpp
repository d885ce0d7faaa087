// SPDX-License-Identifier: Apache-2.0
//
// What a sensor costs per frame, by length of the window: six channels at 20 kHz in 5 ms chunks, 30 frames/s. Placing
// the chunks, joining and cutting hops of 256 samples must not grow with the window.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "dsmm/stream/hop.hpp"
#include "dsmm/stream/join.hpp"

namespace {

using namespace dsmm;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr std::uint32_t channels = 6, hop = 256;
constexpr std::int64_t chunk = 100;

double microseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

void measure(std::int64_t window) {
  sensor_description d;
  d.name = "vibration";
  d.rate = {20'000, 1};
  d.channels = channels;
  joiner join({.window = d.rate.duration(window), .max_skew = 500ms});
  auto cutter = hop_cutter::make(hop, channels);
  if (!join.add(d) || !cutter) return;
  std::vector<float> samples(chunk * channels, 0.5f);
  std::vector<double> place, frame;
  float sink = 0;
  std::int64_t index = 0, hops = 0;
  for (nanoseconds t = 2s; t < 40s; t += 33'333'333ns) {
    auto start = std::chrono::steady_clock::now();
    while (!join.sensor(0).covers(t)) {
      join.sensor(0).place({d.rate.duration(index), samples.data(), chunk});
      index += chunk;
    }
    if (t > 5s) place.push_back(microseconds_since(start));
    start = std::chrono::steady_clock::now();
    const joined_frame joined = join.join(t, join.decide(t, 0ns, true), true);
    const hop_report report = cutter->consume(joined.sensors[0], [&](std::int64_t, const float* v) { sink += v[0]; });
    if (t > 5s) frame.push_back(microseconds_since(start));
    hops += static_cast<std::int64_t>(report.hops);
  }
  std::sort(place.begin(), place.end());
  std::sort(frame.begin(), frame.end());
  const auto at = [](const std::vector<double>& v, double q) {
    return v[static_cast<std::size_t>(q * static_cast<double>(v.size() - 1))];
  };
  std::printf("%8lld  %10.2f %10.2f  %12.2f %10.2f  %8lld\n", static_cast<long long>(window), at(place, 0.5),
              at(place, 0.99), at(frame, 0.5), at(frame, 0.99), static_cast<long long>(hops + (sink < 0 ? 1 : 0)));
}

}  // namespace

int main() {
  std::printf("6 channels, 20 kHz, 30 frames/s; us per frame\n");
  std::printf("%8s  %10s %10s  %12s %10s  %8s\n", "window", "place p50", "p99", "join+cut p50", "p99", "hops");
  for (const std::int64_t window : {1'024, 4'096, 16'384, 32'768}) measure(window);
}
