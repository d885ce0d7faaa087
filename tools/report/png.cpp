// SPDX-License-Identifier: Apache-2.0
#include "tools/report/png.hpp"

#include <png.h>

namespace dsmm::inline DSMM_ABI::report {

std::vector<std::uint8_t> encode_png(const std::uint8_t* rgb, int width, int height, std::ptrdiff_t stride) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> bytes(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, rgb, static_cast<png_int_32>(stride), nullptr) == 0)
    size = 0;
  bytes.resize(size);
  return bytes;
}

}  // namespace dsmm::inline DSMM_ABI::report
