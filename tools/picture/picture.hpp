// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// A picture in memory, (height, width, channels), grey or RGB.
struct picture {
  int width = 0, height = 0, channels = 1;
  std::vector<std::uint8_t> pixels;

  std::size_t at(int y, int x) const noexcept {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
           static_cast<std::size_t>(channels);
  }
};

inline constexpr int max_picture = 16'384;  ///< pixels along a side

/// Reads a PNG or JPEG file as grey (channels 1) or RGB (3); what is transparent becomes black. Strict: a damaged
/// picture is an error, because half of one must not be judged. False, and `trouble` says why; so also in a build
/// without the library.
bool read_png(const std::string& path, int channels, picture& out, std::string& trouble);
bool read_jpeg(const std::string& path, int channels, picture& out, std::string& trouble);
/// Writes an RGB picture; as above.
bool write_png(const std::string& path, const picture& in, std::string& trouble);

/// The middle of `in` that has the shape of width x height, averaged over areas. Integers only: the same everywhere.
inline picture fitted(const picture& in, int width, int height) {
  const std::int64_t wanted = std::int64_t{in.height} * width / height;
  const bool is_wide = wanted < in.width;
  const int crop_w = is_wide ? static_cast<int>(wanted > 0 ? wanted : 1) : in.width;
  const std::int64_t tall = std::int64_t{in.width} * height / width;
  const int crop_h = is_wide ? in.height : static_cast<int>(tall > 0 ? tall : 1);
  const int left = (in.width - crop_w) / 2, top = (in.height - crop_h) / 2;
  const auto cut = [](int i, int crop, int parts) { return static_cast<int>(std::int64_t{i} * crop / parts); };
  picture out{width, height, in.channels, {}};
  out.pixels.resize(out.at(height, 0));
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int y0 = top + cut(y, crop_h, height), y1 = top + cut(y + 1, crop_h, height);
      const int x0 = left + cut(x, crop_w, width), x1 = left + cut(x + 1, crop_w, width);
      for (int c = 0; c < in.channels; ++c) {
        std::uint64_t sum = 0, n = 0;
        for (int v = y0; v < (y1 > y0 ? y1 : y0 + 1); ++v)
          for (int u = x0; u < (x1 > x0 ? x1 : x0 + 1); ++u, ++n)
            sum += in.pixels[in.at(v, u) + static_cast<std::size_t>(c)];
        out.pixels[out.at(y, x) + static_cast<std::size_t>(c)] = static_cast<std::uint8_t>((sum + n / 2) / n);
      }
    }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::tools
