// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#include "tools/line/grey_image.hpp"

namespace dsmm::inline DSMM_ABI::line {

namespace {

/// libjpeg leaves through a long jump; nothing with a destructor lives in the frames that it skips.
struct strict_errors {
  jpeg_error_mgr base;
  std::jmp_buf leave;
  char text[JMSG_LENGTH_MAX];
};

void stop(j_common_ptr info) {
  auto* const errors = reinterpret_cast<strict_errors*>(info->err);
  info->err->format_message(info, errors->text);
  std::longjmp(errors->leave, 1);
}

void stop_on_warning(j_common_ptr info, int level) {
  if (level < 0) stop(info);
}

bool decode(std::FILE* file, grey_image& out, strict_errors& errors) {
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = stop;
  errors.base.emit_message = stop_on_warning;
  if (setjmp(errors.leave) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  if (info.image_width > 16384 || info.image_height > 16384) {
    std::snprintf(errors.text, sizeof(errors.text), "larger than 16384 pixels");
    std::longjmp(errors.leave, 1);
  }
  info.out_color_space = JCS_GRAYSCALE;
  jpeg_start_decompress(&info);
  out.width = static_cast<int>(info.output_width), out.height = static_cast<int>(info.output_height);
  out.pixels.resize(static_cast<std::size_t>(info.output_width) * info.output_height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out.pixels.data() + static_cast<std::size_t>(info.output_scanline) * info.output_width;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

bool read_jpeg(const std::filesystem::path& path, grey_image& out, std::string& trouble) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    trouble = "cannot be opened";
    return false;
  }
  strict_errors errors{};
  const bool ok = decode(file, out, errors);
  std::fclose(file);
  if (!ok) trouble = errors.text;
  return ok;
}

}  // namespace dsmm::inline DSMM_ABI::line
