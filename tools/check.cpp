// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/onnx/import_arguments.hpp"
#include "tools/onnx/kernel_list.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

/// Names come from the file: nothing in them may move the cursor.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return text;
}

nlohmann::json to_json(const convert::import_report& report, bool imports, const std::vector<layer_kernel>& layers) {
  nlohmann::json kernels = nlohmann::json::array();
  for (const layer_kernel& l : layers)
    kernels.push_back({{"layer", l.name}, {"kernel", l.kernel}, {"integer", l.integer}});
  nlohmann::json issues = nlohmann::json::array();
  for (const auto& i : report.issues)
    issues.push_back({{"node", i.node}, {"operator", i.op}, {"code", dsmm::to_string(i.code)}, {"reason", i.reason}});
  return {{"imports", imports},
          {"producer", report.producer},
          {"opset", report.opset},
          {"nodes", report.nodes},
          {"operators", report.operators},
          {"issues", issues},
          {"layers", kernels},
          {"needed_values", report.needed_values}};
}

/// Models of real numbers all run in the general tier; of others it is worth knowing which layers do.
bool is_quantized(const convert::import_report& report) {
  return std::any_of(report.operators.begin(), report.operators.end(), [](const auto& used) {
    return used.first.find("Quantize") != std::string::npos || used.first.find("QLinear") != std::string::npos ||
           used.first.find("Integer") != std::string::npos || used.first.find("NBits") != std::string::npos ||
           used.first.find("QGemm") != std::string::npos;
  });
}

void print_layers(const std::vector<layer_kernel>& layers) {
  for (const layer_kernel& l : layers)
    std::printf("  %-40s %s%s\n", printable(l.name).substr(0, 40).c_str(), l.kernel.c_str(),
                l.integer ? "" : " (general tier)");
  std::printf("%zu of %zu layers run on integer kernels\n", integer_layers(layers), layers.size());
}

void check_model(const import_arguments& a, bool json) {
  const file_bytes file = need(read_file(a.model.c_str()), a.model);
  convert::import_report report;
  const auto imported = import_graph(file.bytes(), a.options("check"), report);
  std::vector<layer_kernel> layers;
  if (imported) layers = kernels_of(need(model::open(imported->bytes()), a.model));
  if (json) {
    const nlohmann::json j = to_json(report, imported.has_value(), layers);
    std::printf("%s\n", j.dump(1, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    for (const auto& i : report.issues)
      std::printf("%s%s%s: %s\n", printable(i.node).c_str(), i.op.empty() ? "" : " ", printable(i.op).c_str(),
                  printable(i.reason).c_str());
    if (imported)
      std::printf("%s: opset %lld, %zu nodes of %zu operators, all supported\n", a.model.c_str(),
                  static_cast<long long>(report.opset), report.nodes, report.operators.size());
    if (is_quantized(report)) print_layers(layers);
  }
  if (imported) return;
  if (report.issues.empty()) throw to_problem(imported.error(), a.model);
  std::string advice = "the lines above say which and why";
  if (!report.needed_values.empty()) advice += "; --value " + report.needed_values.front() + "=FILE.npy may help";
  throw problem{std::to_string(report.issues.size()) + " nodes or inputs keep the model from being imported", a.model,
                printable(advice)};
}

}  // namespace

void check(CLI::App& app) {
  const auto arguments = std::make_shared<import_arguments>();
  const auto json = std::make_shared<bool>(false);
  arguments->declare(app);
  app.add_flag("--json", *json, "results for programs");
  app.callback([arguments, json] { check_model(*arguments, *json); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
