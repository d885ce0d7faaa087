// SPDX-License-Identifier: Apache-2.0
#include "tools/calibration/samples.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include "dsmm/ops/op.hpp"
#include "tools/calibration/resampled.hpp"
#include "tools/onnx/graph_runner.hpp"
#include "tools/onnx/npy_array.hpp"
#include "tools/picture/picture.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

namespace fs = std::filesystem;

std::string extension(const fs::path& path) {
  std::string e = path.extension().string();
  std::transform(e.begin(), e.end(), e.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return e;
}

bool is_picture(const fs::path& path) {
  const std::string e = extension(path);
  return e == ".png" || e == ".jpg" || e == ".jpeg";
}

/// Where one sample of one input comes from.
struct source {
  fs::path file;
  std::size_t item = 0;  ///< of a batch
};

struct model_input {
  std::string name;
  dtype type = dtype::f32;
  convert::dim_list dims;
  std::vector<source> sources;

  std::size_t bytes() const { return static_cast<std::size_t>(convert::count_of(dims)) * size_of(type); }
};

struct loader {
  std::vector<model_input> inputs;
  preprocessing how;
  std::vector<std::vector<std::vector<std::byte>>> kept;  ///< by sample and input
  bool keep = false;

  std::vector<std::byte> picture_of(const model_input& in, const fs::path& file) const {
    const bool last = how.layout == "nhwc" || (how.layout == "auto" && in.dims[1] != 3 && in.dims[1] != 1);
    const std::int64_t height = in.dims[last ? 1 : 2], width = in.dims[last ? 2 : 3], channels = in.dims[last ? 3 : 1];
    picture p;
    std::string trouble;
    const bool png = extension(file) == ".png";
    if (!(png ? read_png(file.string(), 3, p, trouble) : read_jpeg(file.string(), 3, p, trouble)))
      throw problem{"the picture cannot be read", file.string() + ": " + trouble, "replace it"};
    const std::vector<float> rgb = resampled(p, static_cast<int>(width), static_cast<int>(height), how.stretch);
    const auto plane = static_cast<std::size_t>(height * width), count = static_cast<std::size_t>(channels);
    std::vector<float> out(plane * count);
    for (std::size_t i = 0; i < plane; ++i)
      for (std::size_t c = 0; c < count; ++c) {
        float v = rgb[i * 3 + (how.channels == "bgr" ? 2 - c : c)];
        if (count == 1) v = 0.299f * rgb[i * 3] + 0.587f * rgb[i * 3 + 1] + 0.114f * rgb[i * 3 + 2];
        v *= how.scale;
        if (!how.mean.empty()) v -= how.mean[c % how.mean.size()];
        if (!how.deviation.empty()) v /= how.deviation[c % how.deviation.size()];
        out[last ? i * count + c : c * plane + i] = v;
      }
    const auto bytes = std::as_bytes(std::span(out));
    return {bytes.begin(), bytes.end()};
  }

  std::vector<std::byte> load(const model_input& in, const source& from) const {
    if (is_picture(from.file)) return picture_of(in, from.file);
    const array a = read_npy_array(from.file.string());
    const auto first = a.bytes.begin() + static_cast<std::ptrdiff_t>(from.item * in.bytes());
    return {first, first + static_cast<std::ptrdiff_t>(in.bytes())};
  }

  void fill(std::size_t i, std::span<const std::span<std::byte>> to) {
    if (keep && kept[i].empty())
      for (const model_input& in : inputs) kept[i].push_back(load(in, in.sources[i]));
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const std::vector<std::byte> fresh = keep ? std::vector<std::byte>{} : load(inputs[k], inputs[k].sources[i]);
      const std::vector<std::byte>& from = keep ? kept[i][k] : fresh;
      std::memcpy(to[k].data(), from.data(), std::min(from.size(), to[k].size()));
    }
  }
};

std::vector<fs::path> files_of(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return {path};
  if (!fs::is_directory(path, error)) throw problem{"there is no such folder or file", path, "check the path"};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path, error))
    if (entry.is_regular_file() && (is_picture(entry.path()) || extension(entry.path()) == ".npy"))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// The items of an .npy file for an input.
void add_array(model_input& in, const fs::path& file) {
  const file_bytes bytes = need(read_file(file.c_str()), file.string());
  const npy_view view = need(parse_npy(bytes.bytes()), file.string());
  if (npy_of(dtype_of(view.type)) != npy_of(in.type))
    throw problem{"element type is not the input's", file.string(),
                  std::string("save it as numpy '") + row_of(npy_of(in.type)).descr + "'"};
  if (view.data.empty() || view.data.size() % in.bytes() != 0)
    throw problem{"the array is not a whole number of inputs", file.string(), "the input is " + text_of(in.dims)};
  for (std::size_t i = 0; i < view.data.size() / in.bytes(); ++i) in.sources.push_back({file, i});
}

void check_image_input(const model_input& in, const std::string& path) {
  if (in.type == dtype::f32 && in.dims.size() == 4 && in.dims[0] == 1) return;
  throw problem{"pictures need an f32 input (1, C, H, W) or (1, H, W, C)", path,
                "give .npy files; the input is " + text_of(in.dims)};
}

}  // namespace

convert::sample_set open_samples(const model& m, const std::string& path, const preprocessing& how, std::size_t limit,
                                 bool keep) {
  const auto from = std::make_shared<loader>();
  from->how = how;
  from->keep = keep;
  for (const format::tensor_row& t : m.tensors())
    if (t.kind == format::tensor_kind::input)
      from->inputs.push_back({std::string(m.name(t.name)), ops::type_of(t), dims_of(t), {}});
  for (const fs::path& file : files_of(path)) {
    const std::string stem = file.stem().string();
    for (model_input& in : from->inputs) {
      if (from->inputs.size() > 1 && stem != in.name && !stem.starts_with(in.name + "_")) continue;
      if (!is_picture(file)) {
        add_array(in, file);
        continue;
      }
      check_image_input(in, path);
      in.sources.push_back({file, 0});
    }
  }
  std::size_t all = 0;
  for (const model_input& in : from->inputs) {
    all = std::max(all, in.sources.size());
    if (in.sources.size() != from->inputs.front().sources.size())
      throw problem{"inputs differ in their number of samples", in.name,
                    "name the files NAME.npy or NAME_1.npy, NAME_2.npy"};
  }
  if (all == 0)
    throw problem{"no calibration data: there is no picture and no .npy file", path,
                  "give images or arrays like those that the model will see; without them ranges cannot be known"};
  const std::size_t count = std::min(all, limit);
  for (model_input& in : from->inputs) {
    std::vector<source> chosen;
    for (std::size_t i = 0; i < count; ++i) chosen.push_back(in.sources[i * all / count]);
    in.sources = std::move(chosen);
  }
  from->kept.resize(count);
  return {count, [from](std::size_t i, std::span<const std::span<std::byte>> to) -> result<void> {
            from->fill(i, to);
            return {};
          }};
}

}  // namespace dsmm::inline DSMM_ABI::tools
