// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

/// libjpeg leaves through a long jump; nothing with a destructor lives in the frames that it skips.
struct jump_out {
  jpeg_error_mgr base;
  std::jmp_buf leave;
  char text[JMSG_LENGTH_MAX];
};

void leave(j_common_ptr info) {
  auto* const errors = reinterpret_cast<jump_out*>(info->err);
  info->err->format_message(info, errors->text);
  std::longjmp(errors->leave, 1);
}

void leave_on_warning(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

bool decode(std::FILE* file, int channels, picture& out, jump_out& errors) {
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave;
  errors.base.emit_message = leave_on_warning;
  if (setjmp(errors.leave) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  if (info.image_width > max_picture || info.image_height > max_picture) {
    std::snprintf(errors.text, sizeof(errors.text), "larger than 16384 pixels");
    std::longjmp(errors.leave, 1);
  }
  info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.dct_method = JDCT_ISLOW;  // integers: the same pixels on every machine
  jpeg_start_decompress(&info);
  out.width = static_cast<int>(info.output_width);
  out.height = static_cast<int>(info.output_height);
  out.channels = channels;
  out.pixels.resize(out.at(out.height, 0));
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out.pixels.data() + out.at(static_cast<int>(info.output_scanline), 0);
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

bool read_jpeg(const std::string& path, int channels, picture& out, std::string& trouble) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    trouble = "cannot be opened";
    return false;
  }
  jump_out errors{};
  const bool ok = decode(file, channels, out, errors);
  std::fclose(file);
  if (!ok) trouble = errors.text;
  return ok;
}

}  // namespace dsmm::inline DSMM_ABI::tools
