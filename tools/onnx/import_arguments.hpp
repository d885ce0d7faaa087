// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <string>
#include <vector>

#include "dsmm/convert/import_options.hpp"
#include "tools/onnx/npy_array.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// Options that check and import share.
struct import_arguments {
  std::string model;
  std::vector<std::string> shapes, values;
  bool real = false;

  void declare(CLI::App& app) {
    app.add_option("model", model, "model file (.onnx); external data are read from its folder")->required();
    app.add_option("--shape", shapes, "NAME=1x3x224x224, for each input with open dimensions")->expected(1, -1);
    app.add_option("--value", values, "NAME=FILE.npy, for inputs that are to become constants")->expected(1, -1);
    app.add_flag("--float", real, "leave the layers of a quantized model in the general tier");
  }

  convert::import_options options(const char* command) const {
    convert::import_options out;
    out.integers = !real;
    out.folder = std::filesystem::path(model).parent_path().string();
    for (const std::string& s : shapes) {
      const std::size_t equal = s.find('=');
      const auto bad = [&] {
        return problem{"a shape is NAME=1x3x224x224", s, std::string("see dsmm ") + command + " --help", 2};
      };
      if (equal == std::string::npos || equal == 0) throw bad();
      convert::dim_list dims;
      for (const char *at = s.data() + equal + 1, *end = s.data() + s.size(); at < end; ++at) {
        std::int64_t n = 0;
        const auto [next, error] = std::from_chars(at, end, n);
        if (error != std::errc() || n < 0 || (next != end && *next != 'x')) throw bad();
        dims.push_back(n);
        at = next;
      }
      out.shapes[s.substr(0, equal)] = dims;
    }
    for (const std::string& v : values) {
      const auto [name, path] = name_and_file(v, command);
      const array a = read_npy_array(path);
      out.values[name] = {a.type, a.dims, a.bytes};
    }
    return out;
  }
};

}  // namespace dsmm::inline DSMM_ABI::tools
