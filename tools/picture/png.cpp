// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

bool read_png(const std::string& path, int channels, picture& out, std::string& trouble) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) {
    trouble = image.message;
    return false;
  }
  if (image.width > max_picture || image.height > max_picture) {
    png_image_free(&image);
    trouble = "larger than 16384 pixels";
    return false;
  }
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  out = {static_cast<int>(image.width), static_cast<int>(image.height), channels, {}};
  out.pixels.resize(PNG_IMAGE_SIZE(image));
  const png_color black{0, 0, 0};  // behind what is transparent
  const bool ok = png_image_finish_read(&image, &black, out.pixels.data(), 0, nullptr) != 0;
  if (!ok || PNG_IMAGE_FAILED(image)) trouble = image.message;
  png_image_free(&image);
  return ok;
}

bool write_png(const std::string& path, const picture& in, std::string& trouble) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(in.width);
  image.height = static_cast<png_uint_32>(in.height);
  image.format = PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, path.c_str(), 0, in.pixels.data(), 0, nullptr) != 0) return true;
  trouble = image.message;
  return false;
}

}  // namespace dsmm::inline DSMM_ABI::tools
