// SPDX-License-Identifier: Apache-2.0
#include "tools/calibration/resampled.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace dsmm::inline DSMM_ABI::tools {

namespace {

/// Which source pixels make a target pixel, and how much of each.
struct taps {
  int first = 0;
  std::vector<double> weights;
};

std::vector<taps> triangle(int from, int begin, int size, int to) {
  const double ratio = static_cast<double>(size) / to, reach = std::max(1.0, ratio);
  std::vector<taps> out;
  for (int i = 0; i < to; ++i) {
    const double centre = begin + (i + 0.5) * ratio - 0.5;
    const int first = std::max(0, static_cast<int>(centre - reach));
    const int last = std::min(from - 1, static_cast<int>(centre + reach) + 1);
    taps t{first, {}};
    double sum = 0;
    for (int k = first; k <= last; ++k) {
      const double distance = (k > centre ? k - centre : centre - k) / reach;
      t.weights.push_back(std::max(0.0, 1.0 - distance));
      sum += t.weights.back();
    }
    for (double& w : t.weights) w /= sum;
    out.push_back(std::move(t));
  }
  return out;
}

}  // namespace

std::vector<float> resampled(const picture& in, int width, int height, bool stretch) {
  int crop_w = in.width, crop_h = in.height;
  if (!stretch) {
    const std::int64_t wide = std::int64_t{in.height} * width / height;
    if (wide < in.width) crop_w = std::max(1, static_cast<int>(wide));
    else crop_h = std::max(1, static_cast<int>(std::int64_t{in.width} * height / width));
  }
  const auto across = triangle(in.width, (in.width - crop_w) / 2, crop_w, width);
  const auto down = triangle(in.height, (in.height - crop_h) / 2, crop_h, height);
  const auto w = static_cast<std::size_t>(width), source = static_cast<std::size_t>(in.width);
  std::vector<double> rows(static_cast<std::size_t>(in.height) * w * 3, 0.0);
  for (std::size_t y = 0; y < static_cast<std::size_t>(in.height); ++y)
    for (std::size_t x = 0; x < w; ++x)
      for (std::size_t k = 0; k < across[x].weights.size(); ++k)
        for (std::size_t c = 0; c < 3; ++c)
          rows[(y * w + x) * 3 + c] +=
              across[x].weights[k] * in.pixels[(y * source + static_cast<std::size_t>(across[x].first) + k) * 3 + c];
  std::vector<float> out(static_cast<std::size_t>(height) * w * 3);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y)
    for (std::size_t i = 0; i < w * 3; ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < down[y].weights.size(); ++k)
        sum += down[y].weights[k] * rows[(static_cast<std::size_t>(down[y].first) + k) * w * 3 + i];
      out[y * w * 3 + i] = static_cast<float>(sum);
    }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::tools
