// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/convert/import_options.hpp"
#include "dsmm/convert/onnx_proto.hpp"
#include "dsmm/model/file.hpp"
#include "tools/general_ops.hpp"
#include "tools/onnx/compare.hpp"
#include "tools/onnx/graph_runner.hpp"

namespace dsmm::inline DSMM_ABI::tools {

enum class verdict { pass, fail, unsupported, error };

constexpr const char* to_string(verdict v) noexcept {
  constexpr const char* names[] = {"pass", "fail", "unsupported", "error"};
  return names[static_cast<int>(v)];
}

/// What became of one folder of ONNX node tests.
struct case_result {
  verdict is = verdict::error;
  std::string reason;
  std::set<std::string> operators;
  bool constant_inputs = false;  ///< some inputs had to be given to the importer
};

namespace case_impl {

inline std::optional<array> read_array(const std::filesystem::path& path, std::string& reason) {
  const auto file = read_file(path.c_str());
  if (!file) return reason = file.error().text, std::nullopt;
  const auto t = convert::onnx::read_tensor_file(file->bytes());
  if (!t) return reason = t.error().text, std::nullopt;
  return array{t->type, t->dims, {t->bytes.begin(), t->bytes.end()}};
}

/// The files PREFIX_0.pb, PREFIX_1.pb, ... of a folder.
inline std::optional<std::vector<array>> read_arrays(const std::filesystem::path& folder, const char* prefix,
                                                     std::string& reason) {
  std::vector<array> out;
  for (std::size_t i = 0;; ++i) {
    const auto path = folder / (prefix + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(path)) return out;
    auto a = read_array(path, reason);
    if (!a) return std::nullopt;
    out.push_back(std::move(*a));
  }
}

/// Imports with the shapes of the data; inputs that must be known are given to the importer as constants.
inline result<file_bytes> import_case(std::span<const std::byte> file, convert::import_options& options,
                                      const std::map<std::string, array>& inputs, convert::import_report& report,
                                      bool& constants) {
  for (const auto& [name, a] : inputs) options.shapes[name] = a.dims;
  for (;;) {
    auto imported = import_graph(file, options, report);
    if (imported) return imported;
    bool more = false;
    for (const std::string& name : report.needed_values) {
      const auto at = inputs.find(name);
      if (at == inputs.end() || options.values.count(name) != 0) continue;
      options.values[name] = {at->second.type, at->second.dims, at->second.bytes};
      more = constants = true;
    }
    if (!more) return imported;
  }
}

}  // namespace case_impl

/// Runs `folder`/model.onnx on each test_data_set_* beside it.
inline case_result run_case(const std::filesystem::path& folder, const tolerance& t, ulp_histogram& ulps) {
  using namespace case_impl;
  case_result out;
  const auto file = read_file((folder / "model.onnx").c_str());
  if (!file) return out.reason = file.error().text, out;
  const convert::onnx::external_folder data_folder(folder.string());
  const auto model_file = convert::onnx::read_model(file->bytes(), &data_folder);
  if (!model_file) {
    out.is = model_file.error().code == errc::unsupported ? verdict::unsupported : verdict::error;
    return out.reason = model_file.error().text, out;
  }
  std::vector<std::string> names;
  for (const auto& info : model_file->graph.inputs) {
    const bool initialized = std::any_of(model_file->graph.initializers.begin(), model_file->graph.initializers.end(),
                                         [&](const auto& i) { return i.name == info.name; });
    if (!initialized) names.emplace_back(info.name);
  }
  std::vector<std::filesystem::path> sets;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_"))
      sets.push_back(entry.path());
  std::sort(sets.begin(), sets.end());
  if (sets.empty()) return out.reason = "there is no test_data_set_0", out;
  for (const auto& set : sets) {
    const auto data = read_arrays(set, "input_", out.reason), expected = read_arrays(set, "output_", out.reason);
    if (!data || !expected) return out.is = verdict::unsupported, out;
    std::map<std::string, array> inputs;
    for (std::size_t i = 0; i < data->size() && i < names.size(); ++i) inputs[names[i]] = (*data)[i];
    convert::import_options options;
    options.folder = folder.string();
    convert::import_report report;
    const auto imported = import_case(file->bytes(), options, inputs, report, out.constant_inputs);
    for (const auto& [op, count] : report.operators) out.operators.insert(op);
    if (!imported) {
      out.is = imported.error().code == errc::unsupported ? verdict::unsupported : verdict::error;
      out.reason = imported.error().text;
      if (!report.issues.empty()) out.reason = report.issues[0].op + ": " + report.issues[0].reason;
      return out;
    }
    const auto m = model::open(std::as_const(*imported).bytes());
    if (!m) return out.reason = m.error().text, out;
    for (const auto& [name, value] : options.values) inputs.erase(name);
    const auto got = run_graph(*m, inputs);
    if (!got) return out.reason = got.error().text, out;
    for (std::size_t i = 0; i < expected->size() && i < model_file->graph.outputs.size(); ++i) {
      const std::string name(model_file->graph.outputs[i].name);
      const auto at = got->find(name);
      const std::string wrong = at == got->end() ? "is missing" : difference(at->second, (*expected)[i], t, ulps);
      if (!wrong.empty()) return out.is = verdict::fail, out.reason = name + ": " + wrong, out;
    }
  }
  out.is = verdict::pass;
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::tools
