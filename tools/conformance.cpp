// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dsmm/model/file.hpp"
#include "tools/commands.hpp"
#include "tools/onnx/node_case.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

struct conformance_options {
  std::string folder, table;
  bool json = false, quiet = false;
};

struct counts {
  std::array<std::size_t, 4> of{};
  std::size_t total() const { return of[0] + of[1] + of[2] + of[3]; }
};

/// Folders with a model.onnx, below `root`, in the order of their names.
std::vector<std::filesystem::path> find_cases(const std::string& root) {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  const std::filesystem::path top(root);
  if (std::filesystem::exists(top / "model.onnx", error)) out.push_back(top);
  for (std::filesystem::recursive_directory_iterator at(top, error), end; !error && at != end; at.increment(error))
    if (at->path().filename() == "model.onnx" && at->path().parent_path() != top)
      out.push_back(at->path().parent_path());
  if (error) throw problem{"the folder cannot be read", root, "check the path"};
  if (out.empty()) throw problem{"there is no model.onnx in this folder", root, "give a folder of ONNX node tests"};
  std::sort(out.begin(), out.end());
  return out;
}

std::string histogram_text(const ulp_histogram& ulps) {
  constexpr const char* labels[] = {"0", "1", "2", "3-4", "5-16", "17-256", "257-65536", "more"};
  std::uint64_t all = 0;
  for (const std::uint64_t n : ulps.counts) all += n;
  std::string out;
  for (std::size_t i = 0; i < ulps.counts.size(); ++i) {
    char line[80];
    std::snprintf(line, sizeof(line), "%10s ulp %10llu  %6.2f %%\n", labels[i],
                  static_cast<unsigned long long>(ulps.counts[i]),
                  all == 0 ? 0.0 : 100.0 * static_cast<double>(ulps.counts[i]) / static_cast<double>(all));
    out += line;
  }
  return out;
}

/// docs/conformance.md: written by this command alone.
std::string table_text(const std::map<std::string, counts>& operators, const counts& all, const ulp_histogram& ulps,
                       const std::vector<std::string>& rest) {
  std::string out =
      "# ONNX conformance\n\nWritten by `dsmm conformance DIR --table docs/conformance.md`. A case passes if every "
      "output "
      "has the expected type and\nshape, integers and truth values are equal, and floats are within rtol 1e-3, atol "
      "1e-6.\n\n";
  char line[200];
  std::snprintf(line, sizeof(line), "%zu cases: %zu pass (%.1f %%), %zu fail, %zu unsupported, %zu errors.\n\n",
                all.total(), all.of[0],
                100.0 * static_cast<double>(all.of[0]) / static_cast<double>(std::max<std::size_t>(all.total(), 1)),
                all.of[1], all.of[2], all.of[3]);
  out += line;
  out += "Distance of the f32 results from the expected ones, in units of the last place:\n\n```\n" +
         histogram_text(ulps) +
         "```\n\n| operator | cases | pass | fail | unsupported | error |\n|---|---|---|---|---|---|\n";
  for (const auto& [op, c] : operators) {
    std::snprintf(line, sizeof(line), "| %s | %zu | %zu | %zu | %zu | %zu |\n", op.c_str(), c.total(), c.of[0], c.of[1],
                  c.of[2], c.of[3]);
    out += line;
  }
  out += "\nA case counts for each operator that it uses.\n\n## Cases that do not pass\n\n";
  for (const std::string& r : rest) out += "- " + r + "\n";
  return out;
}

void run_conformance(const conformance_options& o) {
  counts all;
  std::map<std::string, counts> operators;
  ulp_histogram ulps;
  nlohmann::json cases = nlohmann::json::array();
  std::vector<std::string> rest;
  for (const auto& folder : find_cases(o.folder)) {
    const case_result r = run_case(folder, {}, ulps);
    const std::string name = std::filesystem::relative(folder, o.folder).string();
    ++all.of[static_cast<std::size_t>(r.is)];
    for (const std::string& op : r.operators) ++operators[op].of[static_cast<std::size_t>(r.is)];
    if (r.is != verdict::pass) rest.push_back("`" + name + "` " + to_string(r.is) + ": " + r.reason);
    if (o.json)
      cases.push_back(
          {{"case", name}, {"result", to_string(r.is)}, {"reason", r.reason}, {"folded", r.constant_inputs}});
    else if (!o.quiet || r.is != verdict::pass)
      std::printf("%-11s %s%s%s\n", to_string(r.is), name.c_str(), r.reason.empty() ? "" : ": ", r.reason.c_str());
  }
  if (o.json) {
    const nlohmann::json out = {
        {"cases", cases},           {"total", all.total()}, {"pass", all.of[0]},         {"fail", all.of[1]},
        {"unsupported", all.of[2]}, {"error", all.of[3]},   {"ulp_limits", ulps.limits}, {"ulp_counts", ulps.counts}};
    std::printf("%s\n", out.dump(1).c_str());
  } else {
    std::printf("f32 results beside the expected ones:\n%s", histogram_text(ulps).c_str());
    std::printf("%zu cases: %zu pass, %zu fail, %zu unsupported, %zu errors\n", all.total(), all.of[0], all.of[1],
                all.of[2], all.of[3]);
  }
  if (!o.table.empty()) {
    const std::string text = table_text(operators, all, ulps, rest);
    need(write_file(o.table.c_str(), std::as_bytes(std::span(text))), o.table);
  }
  if (all.of[1] + all.of[3] != 0) throw problem{"some cases failed", o.folder, "see the lines that say fail or error"};
}

}  // namespace

void conformance(CLI::App& app) {
  const auto o = std::make_shared<conformance_options>();
  app.add_option("folder", o->folder, "folder with ONNX node tests, at any depth: model.onnx, test_data_set_*")
      ->required();
  app.add_option("--table", o->table, "write a page with a table per operator");
  app.add_flag("--json", o->json, "results for programs");
  app.add_flag("--quiet", o->quiet, "only cases that do not pass, and the totals");
  app.callback([o] { run_conformance(*o); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
