// SPDX-License-Identifier: Apache-2.0
// load MODEL.dsmm: milliseconds to verify a model, to arm it, and to judge one part with it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/dsmm.hpp"

namespace {

template <class F>
double median_ms(int runs, F&& f) {
  std::vector<double> ms;
  for (int r = 0; r < runs; ++r) {
    const auto start = std::chrono::steady_clock::now();
    f();
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(ms.begin(), ms.begin() + runs / 2, ms.end());
  return ms[static_cast<std::size_t>(runs) / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::puts("usage: bench_load MODEL.dsmm"), 2;
  const auto file = dsmm::read_file(argv[1]);
  if (!file) return std::printf("%s: %s\n", argv[1], file.error().text), 1;
  bool fine = true;
  const double verify = median_ms(50, [&] { fine = dsmm::model::open(file->bytes()).has_value() && fine; });
  if (!fine) return std::printf("%s: not a valid model\n", argv[1]), 1;
  std::printf("%s: %zu bytes, verify %.2f ms", argv[1], file->bytes().size(), verify);
  if (auto first = dsmm::inspector::open(file->bytes())) {
    std::printf(", arm %.2f ms", median_ms(20, [&] { fine = dsmm::inspector::open(file->bytes()).has_value(); }));
    dsmm::inspector& inspector = *first;
    if (inspector.width() != 0) {
      const auto w = inspector.width(), h = inspector.height();
      std::vector<std::uint8_t> pixels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h));
      dsmm::rng random(1);
      for (auto& p : pixels) p = static_cast<std::uint8_t>(random.u32() >> 24);
      const dsmm::frame_view frame{pixels.data(), w, h, w, dsmm::pixel_format::gray8};
      std::printf(", inspect %dx%d %.2f ms", w, h, median_ms(200, [&] {
                    ++pixels[0];
                    inspector.inspect(frame, {}, {0, dsmm::steady_now(), false});
                  }));
    }
  }
  std::puts("");
}
