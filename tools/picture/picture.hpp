// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// A colour picture, R G B, row by row.
struct picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
};

/// Reads a PNG or JPEG file; grey ones get three equal channels, transparency is put on black. Any warning of a decoder
/// (a cut or corrupt file) is an error. Returns false and says why in `trouble`.
bool read_picture(const std::filesystem::path& file, picture& out, std::string& trouble);

/// The middle of a picture that has the shape of width x height (or all of it, stretched), resampled with triangles as
/// wide as the reduction: values 0..255, (height, width, 3).
std::vector<float> resampled(const picture& in, int width, int height, bool stretch);

}  // namespace dsmm::inline DSMM_ABI::tools
