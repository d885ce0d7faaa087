// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

constexpr unsigned largest_side = 16384;

bool read_png(const std::filesystem::path& file, picture& out, std::string& trouble) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const bool opened = png_image_begin_read_from_file(&image, file.c_str()) != 0;
  if (opened && (image.width > largest_side || image.height > largest_side)) {
    png_image_free(&image);
    trouble = "larger than 16384 pixels";
    return false;
  }
  if (opened) {
    image.format = PNG_FORMAT_RGB;
    out.width = static_cast<int>(image.width), out.height = static_cast<int>(image.height);
    out.rgb.resize(PNG_IMAGE_SIZE(image));
    const png_color black{0, 0, 0};
    png_image_finish_read(&image, &black, out.rgb.data(), 0, nullptr);
  }
  if (image.warning_or_error != 0) trouble = image.message;
  return image.warning_or_error == 0;
}

/// libjpeg leaves through a long jump; nothing with a destructor lives in the frames that it skips.
struct jpeg_trouble {
  jpeg_error_mgr base;
  std::jmp_buf leave;
  char text[JMSG_LENGTH_MAX];
};

void leave_jpeg(j_common_ptr info) {
  auto* const errors = reinterpret_cast<jpeg_trouble*>(info->err);
  info->err->format_message(info, errors->text);
  std::longjmp(errors->leave, 1);
}

void leave_on_warning(j_common_ptr info, int level) {
  if (level < 0) leave_jpeg(info);
}

bool decode_jpeg(std::FILE* file, picture& out, jpeg_trouble& errors) {
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave_jpeg;
  errors.base.emit_message = leave_on_warning;
  if (setjmp(errors.leave) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  if (info.image_width > largest_side || info.image_height > largest_side) {
    std::snprintf(errors.text, sizeof(errors.text), "larger than 16384 pixels");
    std::longjmp(errors.leave, 1);
  }
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  out.width = static_cast<int>(info.output_width), out.height = static_cast<int>(info.output_height);
  out.rgb.resize(static_cast<std::size_t>(info.output_width) * info.output_height * 3);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out.rgb.data() + static_cast<std::size_t>(info.output_scanline) * info.output_width * 3;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

bool read_picture(const std::filesystem::path& path, picture& out, std::string& trouble) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    trouble = "cannot be opened";
    return false;
  }
  const int first = std::fgetc(file);
  std::rewind(file);
  if (first == 0x89) {
    std::fclose(file);
    return read_png(path, out, trouble);
  }
  jpeg_trouble errors{};
  const bool ok = decode_jpeg(file, out, errors);
  std::fclose(file);
  if (!ok) trouble = errors.text;
  return ok;
}

}  // namespace dsmm::inline DSMM_ABI::tools
