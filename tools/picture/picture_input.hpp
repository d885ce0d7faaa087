// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/core/dtype.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/format.hpp"
#include "tools/npy.hpp"
#include "tools/picture/picture.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// How pictures become numbers: the options that say so, and the deed.
struct picture_input {
  std::vector<float> mean, deviation;
  std::string layout = "auto";
  bool bgr = false, fit = false;

  void declare(CLI::App& app) {
    app.add_option("--mean", mean, "of a picture's channels, in 0..1: value = (pixel / 255 - mean) / std")
        ->expected(1, 3);
    app.add_option("--std", deviation, "of a picture's channels, in 0..1")->expected(1, 3);
    app.add_option("--layout", layout, "of a picture in the input: nchw, nhwc; by default where the 1 or 3 is")
        ->check(CLI::IsMember({"auto", "nchw", "nhwc"}));
    app.add_flag("--bgr", bgr, "the model wants blue first");
    app.add_flag("--fit", fit, "cut the middle out of a picture of another size, and scale it");
  }

  static bool is_picture(const std::string& path) { return is_png(path) || is_jpeg(path); }

  /// The bytes of an .npy file: of that one, or of what a picture is to the input `t`. Throws problem.
  file_bytes read(const std::string& path, const format::tensor_row& t) const {
    if (!is_picture(path)) return need(read_file(path.c_str()), path);
    const form f = form_of(t, path);
    picture p;
    std::string trouble;
    if (!(is_png(path) ? read_png(path, f.channels, p, trouble) : read_jpeg(path, f.channels, p, trouble)))
      throw problem{trouble.empty() ? "the picture cannot be read" : trouble, path, "save it again as .png or .npy"};
    if (p.width != f.width || p.height != f.height) {
      const std::string is = std::to_string(p.width) + "x" + std::to_string(p.height),
                        wanted = std::to_string(f.width) + "x" + std::to_string(f.height);
      if (!fit) throw problem{"the picture is " + is + ", the input " + wanted, path, "scale it, or add --fit"};
      p = fitted(p, f.width, f.height);
    }
    const std::vector<std::byte> bytes = to_npy(p, f, t);
    file_bytes out = need(file_bytes::allocate(bytes.size()), path);
    std::memcpy(out.bytes().data(), bytes.data(), bytes.size());
    return out;
  }

private:
  struct form {
    int width = 0, height = 0, channels = 0;
    bool planes = false;  ///< channels before rows
  };

  static bool ends(const std::string& path, std::string_view end) {
    return path.size() >= end.size() &&
           std::equal(end.begin(), end.end(), path.end() - static_cast<std::ptrdiff_t>(end.size()), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
           });
  }
  static bool is_png(const std::string& path) { return ends(path, ".png"); }
  static bool is_jpeg(const std::string& path) { return ends(path, ".jpg") || ends(path, ".jpeg"); }

  form form_of(const format::tensor_row& t, const std::string& path) const {
    const auto type = static_cast<dtype>(t.type);
    const bool counts = t.rank == 3 || (t.rank == 4 && t.dims[0] == 1);
    if (!counts || (type != dtype::u8 && type != dtype::f32))
      throw problem{"this input is no picture", path, "pictures go into u8 or f32 of shape (H, W, C) or (1, C, H, W)"};
    const std::int32_t* const d = t.dims.data() + (t.rank - 3);
    const auto is_colour = [](std::int32_t n) { return n == 1 || n == 3; };
    const bool planes = layout == "nchw" || (layout == "auto" && is_colour(d[0]) && !is_colour(d[2]));
    const form f = planes ? form{d[2], d[1], d[0], true} : form{d[1], d[0], d[2], false};
    if (!is_colour(f.channels))
      throw problem{"this input has " + std::to_string(f.channels) + " channels", path,
                    "a picture has 1 or 3: see --layout"};
    for (const auto* list : {&mean, &deviation})
      if (list->size() > 1 && list->size() != static_cast<std::size_t>(f.channels))
        throw problem{"--mean and --std take one value, or one per channel", path, "see dsmm run --help", 2};
    return f;
  }

  static float entry(const std::vector<float>& list, std::size_t channel, float none) {
    return list.empty() ? none : list[list.size() == 1 ? 0 : channel];
  }

  std::vector<std::byte> to_npy(const picture& p, const form& f, const format::tensor_row& t) const {
    const auto type = static_cast<dtype>(t.type);
    const bool raw = type == dtype::u8 && mean.empty() && deviation.empty();
    const std::size_t size = size_of(type), channels = static_cast<std::size_t>(f.channels);
    std::vector<std::byte> out(p.pixels.size() * size);
    const std::size_t area = p.pixels.size() / channels;
    for (std::size_t i = 0; i < area; ++i)
      for (std::size_t c = 0; c < channels; ++c) {
        const std::uint8_t pixel = p.pixels[i * channels + (bgr ? channels - 1 - c : c)];
        const float value =
            (static_cast<float>(pixel) / 255.0f - entry(mean, c, 0.0f)) / entry(deviation, c, 1.0f);
        std::byte* const to = out.data() + (f.planes ? c * area + i : i * channels + c) * size;
        if (raw) *to = static_cast<std::byte>(pixel);
        else if (type == dtype::f32) std::memcpy(to, &value, size);
        else *to = static_cast<std::byte>(quantized(value, t));
      }
    std::vector<std::int64_t> shape(t.dims.begin(), t.dims.begin() + t.rank);
    return npy_bytes(type == dtype::u8 ? npy_type::u8 : npy_type::f32, shape, out);
  }

  static std::uint8_t quantized(float value, const format::tensor_row& t) {
    const double q = std::nearbyint(static_cast<double>(value) / static_cast<double>(t.scale > 0 ? t.scale : 1.0f));
    return clamp_u8(static_cast<std::int64_t>(std::clamp(q, -1e6, 1e6)) + t.zero_point);
  }
};

}  // namespace dsmm::inline DSMM_ABI::tools
