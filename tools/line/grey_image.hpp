// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// A grey picture, row by row.
struct grey_image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;
};

/// Reads a JPEG file as grey. Strict: any warning of the decoder (a cut or corrupt file) is an error, because a half
/// decoded picture must not be inspected. Returns false and says why in `trouble`.
bool read_jpeg(const std::filesystem::path& file, grey_image& out, std::string& trouble);

/// The middle of `in` that has the shape of width x height, averaged over areas. Integers only.
inline grey_image fitted(const grey_image& in, int width, int height) {
  const std::int64_t wanted = std::int64_t{in.height} * width / height;
  const int crop_w = wanted < in.width ? static_cast<int>(wanted) : in.width;
  const int crop_h = wanted < in.width ? in.height : static_cast<int>(std::int64_t{in.width} * height / width);
  const int x0 = (in.width - crop_w) / 2, y0 = (in.height - crop_h) / 2;
  grey_image out{width, height,
                 std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
  for (int y = 0; y < height; ++y) {
    const int from_y = y0 + static_cast<int>(std::int64_t{y} * crop_h / height);
    const int to_y = y0 + static_cast<int>(std::int64_t{y + 1} * crop_h / height);
    for (int x = 0; x < width; ++x) {
      const int from_x = x0 + static_cast<int>(std::int64_t{x} * crop_w / width);
      const int to_x = x0 + static_cast<int>(std::int64_t{x + 1} * crop_w / width);
      std::uint32_t sum = 0, n = 0;
      for (int v = from_y; v < (to_y > from_y ? to_y : from_y + 1); ++v)
        for (int u = from_x; u < (to_x > from_x ? to_x : from_x + 1); ++u, ++n)
          sum +=
              in.pixels[static_cast<std::size_t>(v) * static_cast<std::size_t>(in.width) + static_cast<std::size_t>(u)];
      out.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] =
          static_cast<std::uint8_t>((sum + n / 2) / n);
    }
  }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::line
