// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "dsmm/convert/emit_header.hpp"
#include "dsmm/model/file.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

struct emit_arguments {
  std::string model, header, name;
  bool json = false;
};

void emit_model(const emit_arguments& a) {
  const owned_model file = need(owned_model::open(a.model.c_str()), a.model);
  convert::emit_options options{a.name, &find_general_op};
  if (options.name.empty()) {
    options.name = std::filesystem::path(a.header).stem().string();
    if (!convert::is_identifier(options.name)) options.name = convert::identifiers().make(options.name);
  } else if (!convert::is_identifier(options.name)) {
    throw problem{"--name must be a C++ identifier and no keyword", options.name, "e.g. --name defect", 2};
  }
  const std::string text = need(convert::emit_header(*file, options), a.model);
  const memory_plan plan = need(make_portable_plan(*file, &find_general_op), a.model);
  need(write_file(a.header.c_str(), std::as_bytes(std::span(text))), a.header);
  const std::size_t arena = session::required(plan.view());
  if (a.json) {
    const nlohmann::ordered_json out = {{"header", a.header},
                                        {"namespace", options.name},
                                        {"identity", file->short_identity().data()},
                                        {"model_bytes", file->file().size()},
                                        {"header_bytes", text.size()},
                                        {"arena_bytes", arena}};
    std::printf("%s\n", out.dump(1, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
    return;
  }
  std::printf("%s: namespace %s, model %s\n", a.header.c_str(), options.name.c_str(), file->short_identity().data());
  std::printf("  %zu bytes of model and %zu bytes of arena in the program\n", file->file().size(), arena);
  std::printf("  #include it, add dsmm's include folder, compile with -std=c++20 -ffp-contract=off\n");
}

}  // namespace

void emit(CLI::App& app) {
  const auto arguments = std::make_shared<emit_arguments>();
  app.add_option("model", arguments->model, "model file (.dsmm)")->required();
  app.add_option("--header", arguments->header, "header to write")->required()->type_name("FILE");
  app.add_option("--name", arguments->name, "namespace in it; the header's name by default");
  app.add_flag("--json", arguments->json, "sizes for programs");
  app.callback([arguments] { emit_model(*arguments); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
