// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"
#include "tools/npy.hpp"
#include "tools/onnx/graph_runner.hpp"
#include "tools/onnx/npy_array.hpp"
#include "tools/onnx/written.hpp"
#include "tools/picture/picture_input.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

inline bool has_general_ops(const model& m) {
  return std::any_of(m.ops().begin(), m.ops().end(), [](const format::op_row& op) { return is_general(op.kind); });
}

/// A file that feeds one input, once or item by item.
struct plain_feed {
  std::string name;
  array all;
  convert::dim_list item;
  std::size_t items = 1;
};

inline plain_feed open_plain_feed(const model& m, const std::string& option, const picture_input& pictures) {
  const auto [name, path] = name_and_file(option, "run");
  const auto index = m.find_tensor(name);
  if (!index || m.tensors()[*index].kind != format::tensor_kind::input)
    throw problem{"the model has no input of this name", name, "see dsmm info for the inputs", 2};
  const format::tensor_row& t = m.tensors()[*index];
  const dtype type = ops::type_of(t);
  plain_feed f{name, to_array(pictures.read(path, t), path), dims_of(t)};
  if (npy_of(f.all.type) != npy_of(type))
    throw problem{"element type is not the input's", path,
                  std::string("save it as numpy '") + row_of(npy_of(type)).descr + "'"};
  f.all.type = type;
  const std::size_t bytes = static_cast<std::size_t>(convert::count_of(f.item)) * size_of(type);
  if (bytes == 0 ? !f.all.bytes.empty() : f.all.bytes.size() % bytes != 0 || f.all.bytes.empty())
    throw problem{"the array is not a whole number of inputs", path, "the input is " + text_of(f.item)};
  f.items = bytes == 0 ? 1 : f.all.bytes.size() / bytes;
  return f;
}

/// Runs a model of general operators on arrays and pictures. An array of many inputs runs one after the other; their
/// outputs lie behind each other along the first axis if that is 1, else along a new one.
inline std::vector<written> run_plain(const model& m, const std::string& path, const std::vector<std::string>& inputs,
                                      const picture_input& pictures, const std::string& folder,
                                      const session_options& options) {
  std::vector<plain_feed> feeds;
  std::size_t runs = 1;
  for (const std::string& input : inputs) {
    feeds.push_back(open_plain_feed(m, input, pictures));
    if (feeds.back().items != 1 && runs != 1 && feeds.back().items != runs)
      throw problem{"inputs differ in their number of items", input, "give each the same leading dimension"};
    runs = std::max(runs, feeds.back().items);
  }
  file_bytes arena = need(file_bytes::allocate(need(session::required(m, options), path)), path);
  session s = need(session::prepare(m, arena.bytes(), options), path);
  need(self_test(s), path);
  std::map<std::string, array> outputs;
  for (std::size_t r = 0; r < runs; ++r) {
    std::map<std::string, array> given;
    for (const plain_feed& f : feeds) {
      const std::size_t bytes = f.all.bytes.size() / f.items;
      const auto from = f.all.bytes.begin() + static_cast<std::ptrdiff_t>((f.items == 1 ? 0 : r) * bytes);
      given[f.name] = {f.all.type, f.item, {from, from + static_cast<std::ptrdiff_t>(bytes)}};
    }
    for (auto& [name, a] : need(run_once(s, given), path)) {
      const auto [known, is_new] = outputs.try_emplace(name, a);
      if (is_new) {
        if (runs != 1 && (a.dims.empty() || a.dims[0] != 1)) known->second.dims.insert(known->second.dims.begin(), 1);
        continue;
      }
      known->second.bytes.insert(known->second.bytes.end(), a.bytes.begin(), a.bytes.end());
      ++known->second.dims[0];
    }
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::vector<written> files;
  for (const auto& [name, a] : outputs) {
    std::string file = name;
    std::replace(file.begin(), file.end(), '/', '_');  // names of ONNX may hold slashes
    const auto to = std::filesystem::path(folder) / (file + ".npy");
    if (static_cast<std::size_t>(std::max<std::int64_t>(convert::count_of(a.dims), 0)) * size_of(a.type) !=
        a.bytes.size())
      throw problem{"runs gave outputs of different lengths", name, "run the items one by one"};
    need(write_file(to.c_str(), npy_bytes(npy_of(a.type), a.dims, a.bytes)), to.string());
    files.push_back({name, to.string(), a.dims});
  }
  return files;
}

}  // namespace dsmm::inline DSMM_ABI::tools
