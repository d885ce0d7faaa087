// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "dsmm/model/file.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/onnx/import_arguments.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

/// Names come from the file: nothing in them may move the cursor.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return text;
}

nlohmann::json to_json(const convert::import_report& report, bool imports) {
  nlohmann::json issues = nlohmann::json::array();
  for (const auto& i : report.issues)
    issues.push_back({{"node", i.node}, {"operator", i.op}, {"code", dsmm::to_string(i.code)}, {"reason", i.reason}});
  return {{"imports", imports},
          {"producer", report.producer},
          {"opset", report.opset},
          {"nodes", report.nodes},
          {"operators", report.operators},
          {"issues", issues},
          {"needed_values", report.needed_values}};
}

void check_model(const import_arguments& a, bool json) {
  const file_bytes file = need(read_file(a.model.c_str()), a.model);
  convert::import_report report;
  const auto imported = import_graph(file.bytes(), a.options("check"), report);
  if (json) {
    std::printf(
        "%s\n",
        to_json(report, imported.has_value()).dump(1, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    for (const auto& i : report.issues)
      std::printf("%s%s%s: %s\n", printable(i.node).c_str(), i.op.empty() ? "" : " ", printable(i.op).c_str(),
                  printable(i.reason).c_str());
    if (imported)
      std::printf("%s: opset %lld, %zu nodes of %zu operators, all supported\n", a.model.c_str(),
                  static_cast<long long>(report.opset), report.nodes, report.operators.size());
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
