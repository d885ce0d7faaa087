// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/onnx/graph_runner.hpp"
#include "tools/onnx/import_arguments.hpp"
#include "tools/onnx/kernel_list.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

struct import_command {
  import_arguments arguments;
  std::string output;
  bool plain = false;
};

void import_model(const import_command& c) {
  const file_bytes file = need(read_file(c.arguments.model.c_str()), c.arguments.model);
  convert::import_options options = c.arguments.options("import");
  options.fuse = !c.plain;
  options.integers = options.integers && !c.plain;
  convert::import_report report;
  const auto imported = import_graph(file.bytes(), options, report);
  if (!imported && !report.issues.empty()) {
    const convert::import_issue& first = report.issues.front();
    const std::string more =
        report.issues.size() == 1 ? "" : " (and " + std::to_string(report.issues.size() - 1) + " more)";
    throw problem{(first.op.empty() ? "" : first.op + ": ") + first.reason + more,
                  c.arguments.model + ", " + first.node, "dsmm check lists all that is missing"};
  }
  if (!imported) throw to_problem(imported.error(), c.arguments.model);
  need(write_file(c.output.c_str(), imported->bytes()), c.output);
  const model m = need(model::open(imported->bytes()), c.output);
  std::printf("%s: %zu ops, %zu bytes\n", c.output.c_str(), m.ops().size(), imported->bytes().size());
  const auto layers = kernels_of(m);
  if (const std::size_t n = integer_layers(layers); n != 0)
    std::printf("  %zu of %zu layers run on integer kernels; dsmm check lists them\n", n, layers.size());
  for (const format::tensor_row& t : m.tensors())
    if (t.kind == format::tensor_kind::input || t.kind == format::tensor_kind::output)
      std::printf("  %-6s %s %s %s\n", t.kind == format::tensor_kind::input ? "input" : "output",
                  std::string(m.name(t.name)).c_str(), dsmm::to_string(ops::type_of(t)), text_of(dims_of(t)).c_str());
}

}  // namespace

void import_graph(CLI::App& app) {
  const auto c = std::make_shared<import_command>();
  c->arguments.declare(app);
  app.add_option("-o,--output", c->output, "the .dsmm file to write")->required();
  app.add_flag("--plain", c->plain, "no fusion: one op per operation of the file");
  app.callback([c] { import_model(*c); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
