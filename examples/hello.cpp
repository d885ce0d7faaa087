// SPDX-License-Identifier: Apache-2.0
// hello MODEL.dsmm FRAME.raw: one grey picture, one verdict.
#include <cstdio>

#include "dsmm/dsmm.hpp"

int main(int argc, char** argv) {
  if (argc != 3) return std::puts("usage: hello MODEL.dsmm FRAME.raw (grey, one byte a pixel)"), 2;
  const auto model = dsmm::read_file(argv[1]);
  const auto pixels = dsmm::read_file(argv[2]);
  if (!model || !pixels) return std::printf("cannot read: %s\n", (model ? pixels.error() : model.error()).text), 1;

  auto inspector = dsmm::inspector::open(model->bytes());
  if (!inspector) return std::printf("cannot use this model: %s\n", inspector.error().text), 1;

  const int width = inspector->width(), height = inspector->height();
  if (pixels->bytes().size() < std::size_t(width) * std::size_t(height)) return std::puts("the frame is too short"), 1;
  const auto* data = reinterpret_cast<const unsigned char*>(pixels->bytes().data());
  const dsmm::frame_view frame{data, width, height, width, dsmm::pixel_format::gray8};
  const dsmm::inspection& result = inspector->inspect(frame, {}, {.frame_id = 1, .arrival = dsmm::steady_now()});

  std::printf("%s (%s), score %.3f, threshold %.3f, %zu regions, %.2f ms\n", dsmm::to_string(result.verdict),
              dsmm::to_string(result.reason), double(result.score), double(result.threshold), result.regions.size(),
              result.latency.milliseconds());
}
