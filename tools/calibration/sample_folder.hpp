// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "tools/npy.hpp"
#include "tools/onnx/npy_array.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// The .npy files of a folder as samples of a model: DIR/*.npy for its one input, or DIR/NAME/*.npy for each of
/// several, in the order of their names. A file holds one sample, or several behind each other along its first axis.
class sample_folder {
public:
  sample_folder(const convert::lowered_graph& g, const std::string& folder, std::size_t most) {
    namespace fs = std::filesystem;
    if (!fs::is_directory(folder))
      throw problem{"this is not a folder", folder, "give a folder of .npy files with what the model will see"};
    std::size_t count = 0;
    for (const convert::lowered_port& p : g.inputs) {
      const convert::lowered_value& v = g.values[p.value];
      const fs::path at = g.inputs.size() == 1 ? fs::path(folder) : fs::path(folder) / p.name;
      std::vector<std::string> files;
      if (fs::is_directory(at))
        for (const auto& e : fs::directory_iterator(at))
          if (e.path().extension() == ".npy") files.push_back(e.path().string());
      std::sort(files.begin(), files.end());
      const std::size_t bytes = static_cast<std::size_t>(convert::count_of(v.dims)) * size_of(v.type);
      std::vector<std::vector<std::byte>> items;
      for (const std::string& file : files) {
        const array a = read_npy_array(file);
        if (npy_of(a.type) != npy_of(v.type) || bytes == 0 || a.bytes.empty() || a.bytes.size() % bytes != 0)
          throw problem{"the array is not a whole number of inputs", file,
                        "the input '" + p.name + "' is " + to_string(v.type) + " " + text_of(v.dims)};
        for (std::size_t i = 0; i < a.bytes.size() && items.size() < most; i += bytes)
          items.emplace_back(a.bytes.begin() + static_cast<std::ptrdiff_t>(i),
                             a.bytes.begin() + static_cast<std::ptrdiff_t>(i + bytes));
      }
      if (items.empty())
        throw problem{"the folder has no .npy files", at.string(), "put samples of input '" + p.name + "' there"};
      if (!inputs_.empty() && items.size() != count)
        throw problem{"inputs differ in their number of samples", at.string(), "give each input the same number"};
      count = items.size();
      inputs_.push_back(std::move(items));
    }
    set_.count = count;
    set_.load = [this](std::size_t i, std::span<const std::span<std::byte>> to) -> result<void> {
      for (std::size_t k = 0; k < to.size(); ++k)
        if (!to[k].empty()) std::memcpy(to[k].data(), inputs_[k][i].data(), to[k].size());
      return {};
    };
  }
  sample_folder(const sample_folder&) = delete;
  sample_folder& operator=(const sample_folder&) = delete;

  const convert::sample_set& set() const noexcept { return set_; }

private:
  std::vector<std::vector<std::vector<std::byte>>> inputs_;  ///< by input and sample
  convert::sample_set set_;
};

}  // namespace dsmm::inline DSMM_ABI::tools
