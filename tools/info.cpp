// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/info.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/core/dtype.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/levels.hpp"
#include "tools/commands.hpp"
#include "tools/level.hpp"
#include "tools/netron.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

using json = nlohmann::ordered_json;

struct info_options {
  std::string model, netron;
  double level = whole_file;
  bool as_json = false, ops = false;
};

const char* section_name(format::section_kind kind) {
  switch (kind) {
    case format::section_kind::graph: return "GRAPH";
    case format::section_kind::strings: return "STRINGS";
    case format::section_kind::weights: return "WEIGHTS";
    case format::section_kind::variants: return "VARIANTS";
    case format::section_kind::fit: return "FIT";
    case format::section_kind::meta: return "META";
    case format::section_kind::selftest: return "SELFTEST";
    case format::section_kind::signature: return "SIGNATURE";
  }
  return "unknown";
}

const char* kind_name(format::tensor_kind kind) {
  switch (kind) {
    case format::tensor_kind::input: return "input";
    case format::tensor_kind::value: return "value";
    case format::tensor_kind::output: return "output";
    case format::tensor_kind::constant: return "constant";
    case format::tensor_kind::state: return "state";
  }
  return "unknown";
}

std::string shape_text(const format::tensor_row& t) {
  std::string out = "(";
  for (std::size_t d = 0; d < t.rank; ++d) out += (d == 0 ? "" : ", ") + std::to_string(t.dims[d]);
  return out + ")";
}

std::string type_text(const format::tensor_row& t) {
  std::string out = to_string(static_cast<dtype>(t.type));
  if (t.group != 0) out += "/" + std::to_string(t.group);
  return out;
}

/// Elements and bytes of the constants, by type.
std::map<std::string, work> constants_by_type(const model& m) {
  std::map<std::string, work> out;
  for (const format::tensor_row& t : m.tensors())
    if (t.kind == format::tensor_kind::constant) out[type_text(t)] += {0, verify_impl::elements(t), t.length};
  return out;
}

json tensor_json(const model& m, const format::tensor_row& t) {
  json out = {{"name", std::string(m.name(t.name))},
              {"kind", kind_name(t.kind)},
              {"type", type_text(t)},
              {"shape", std::vector<std::int32_t>(t.dims.begin(), t.dims.begin() + t.rank)}};
  if (static_cast<dtype>(t.type) == dtype::u8) out["scale"] = t.scale, out["zero_point"] = t.zero_point;
  return out;
}

json op_json(const model& m, const format::op_row& op) {
  const work w = work_of(m, op);
  json inputs = json::array();
  for (const std::uint32_t t : m.inputs(op)) inputs.push_back(t == format::no_tensor ? json(nullptr) : json(t));
  const std::uint32_t count = find_signature(op.kind)->attributes;
  const auto attributes = m.attributes().subspan(op.first_attribute, count);
  return {{"name", std::string(m.name(op.name))},
          {"kind", find_signature(op.kind)->name},
          {"inputs", std::move(inputs)},
          {"outputs", std::vector<std::uint32_t>(m.outputs(op).begin(), m.outputs(op).end())},
          {"attributes", std::vector<std::int32_t>(attributes.begin(), attributes.end())},
          {"multiply_adds", w.multiply_adds},
          {"parameters", w.parameters}};
}

/// What the levels of a file cost and how well they agree with the network that they were cut from.
struct level_info {
  double share = 1;
  std::uint64_t multiply_adds = 0, parameters = 0, bytes = 0, stored = 0;
  std::string sqnr_db, top1;
};

std::vector<level_info> levels_of(const model& m, const std::string& path) {
  std::vector<level_info> out;
  if (m.levels().empty()) return out;
  std::uint64_t rest = m.file().size();
  for (std::uint32_t k = 0; k < level_count(m); ++k) {
    std::optional<owned_model> made;
    if (k != 0) made.emplace(need(extract_level(m, k), path));
    const model& level = k == 0 ? m : **made;
    level_info i{static_cast<double>(level_share(m, k)), 0, 0, level.file().size(), 0, {}, {}};
    for (const format::program_row& p : level.programs()) {
      const work w = work_of(level, p);
      i.multiply_adds += w.multiply_adds, i.parameters += w.parameters;
    }
    if (k != 0) {
      const format::level_row& row = m.levels()[k - 1];
      i.stored =
          row.graph_length + row.strings_length + row.meta_length + row.selftest_length + row.pieces_length;
      rest -= i.stored;
    }
    i.sqnr_db = level.meta("pruned.sqnr_db").value_or("");
    i.top1 = level.meta("pruned.top1_agreement").value_or("");
    out.push_back(std::move(i));
  }
  out[0].bytes = out[0].stored = rest;  // with the tables of the others
  return out;
}

void print_levels(const std::vector<level_info>& levels) {
  std::printf("\nlevels\n  %6s %14s %12s %12s %12s %8s %8s\n", "level", "multiply-adds", "parameters", "bytes alone",
              "stored", "SQNR dB", "top-1");
  for (const level_info& i : levels)
    std::printf("  %6s %14llu %12llu %12llu %12llu %8s %8s\n", share_text(i.share).c_str(),
                static_cast<unsigned long long>(i.multiply_adds), static_cast<unsigned long long>(i.parameters),
                static_cast<unsigned long long>(i.bytes), static_cast<unsigned long long>(i.stored),
                i.sqnr_db.empty() ? "-" : i.sqnr_db.c_str(), i.top1.empty() ? "-" : i.top1.c_str());
}

json to_json(const model& m, const info_options& options) {
  json out = {{"file", options.model},
              {"bytes", m.file().size()},
              {"identity", m.short_identity().data()},
              {"format", std::to_string(format::major_version) + "." + std::to_string(format::minor_version)}};
  out["meta"] = json::object();
  for (std::string_view rest = m.meta(); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    out["meta"][std::string(line.substr(0, line.find('=')))] = std::string(line.substr(line.find('=') + 1));
  }
  for (const format::section& s : m.sections())
    out["sections"].push_back({{"name", section_name(s.kind)}, {"offset", s.offset}, {"bytes", s.length}});
  for (const auto& [type, w] : constants_by_type(m))
    out["constants"].push_back({{"type", type}, {"elements", w.parameters}, {"bytes", w.constant_bytes}});
  for (const format::program_row& p : m.programs()) {
    const work w = work_of(m, p);
    json ops = json::array();
    for (const format::op_row& op : m.ops(p)) ops.push_back(op_json(m, op));
    out["programs"].push_back({{"name", std::string(m.name(p.name))},
                               {"multiply_adds", w.multiply_adds},
                               {"parameters", w.parameters},
                               {"ops", std::move(ops)}});
  }
  for (const format::tensor_row& t : m.tensors()) out["tensors"].push_back(tensor_json(m, t));
  for (const level_info& i : levels_of(m, options.model)) {
    json row = {{"level", i.share},   {"multiply_adds", i.multiply_adds}, {"parameters", i.parameters},
                {"bytes", i.bytes}, {"stored_bytes", i.stored}};
    if (!i.sqnr_db.empty()) row["sqnr_db"] = std::strtod(i.sqnr_db.c_str(), nullptr);
    if (!i.top1.empty()) row["top1_agreement"] = std::strtod(i.top1.c_str(), nullptr);
    out["levels"].push_back(std::move(row));
  }
  out["self_tests"] = m.self_tests().size();
  return out;
}

void print_ops(const model& m, const format::program_row& p) {
  std::printf("    %-14s %-24s %-20s %12s %14s\n", "kind", "name", "output", "parameters", "multiply-adds");
  for (const format::op_row& op : m.ops(p)) {
    const work w = work_of(m, op);
    std::string output = "-";
    if (op.output_count != 0) {
      const format::tensor_row& y = m.tensors()[m.outputs(op)[0]];
      output = type_text(y) + " " + shape_text(y);
    }
    const std::string name(m.name(op.name));
    std::printf("    %-14s %-24s %-20s %12llu %14llu\n", find_signature(op.kind)->name, name.c_str(), output.c_str(),
                static_cast<unsigned long long>(w.parameters), static_cast<unsigned long long>(w.multiply_adds));
  }
}

void print(const model& m, const info_options& options) {
  const std::string product(m.meta("product").value_or("")), version(m.meta("version").value_or(""));
  std::printf("%s: %zu bytes, identity %s\n", options.model.c_str(), m.file().size(), m.short_identity().data());
  if (!product.empty())
    std::printf("made for %s%s%s\n", product.c_str(), version.empty() ? "" : ", version ", version.c_str());
  std::printf("\nsections\n");
  for (const format::section& s : m.sections())
    std::printf("  %-9s %10llu bytes\n", section_name(s.kind), static_cast<unsigned long long>(s.length));
  std::printf("\nconstants\n");
  for (const auto& [type, w] : constants_by_type(m))
    std::printf("  %-9s %10llu values %10llu bytes\n", type.c_str(), static_cast<unsigned long long>(w.parameters),
                static_cast<unsigned long long>(w.constant_bytes));
  std::printf("\ninputs, outputs and states\n");
  for (const format::tensor_row& t : m.tensors()) {
    if (!format::is_port(t.kind)) continue;
    const std::string name(m.name(t.name));
    std::printf("  %-9s %-24s %-5s %-18s", kind_name(t.kind), name.c_str(), type_text(t).c_str(),
                shape_text(t).c_str());
    if (static_cast<dtype>(t.type) == dtype::u8)
      std::printf(" real = %.6g * (q - %d)", static_cast<double>(t.scale), t.zero_point);
    std::printf("\n");
  }
  std::printf("\nprograms\n");
  for (const format::program_row& p : m.programs()) {
    const work w = work_of(m, p);
    const std::string name(m.name(p.name));
    std::printf("  %-9s %4u ops, %.3f million multiply-adds, %llu parameters\n", name.c_str(), p.op_count,
                static_cast<double>(w.multiply_adds) * 1e-6, static_cast<unsigned long long>(w.parameters));
    if (options.ops) print_ops(m, p);
  }
  if (const auto levels = levels_of(m, options.model); !levels.empty()) print_levels(levels);
  std::printf("\nself tests: %zu\n", m.self_tests().size());
}

void run(const info_options& options) {
  const owned_model file = open_level(options.model, options.level);
  if (!options.netron.empty()) {
    const std::string text = to_netron(*file).dump(1) + "\n";
    need(write_file(options.netron.c_str(), std::as_bytes(std::span(text))), options.netron);
  }
  if (options.as_json) std::printf("%s\n", to_json(*file, options).dump(2).c_str());
  else print(*file, options);
}

}  // namespace

void info(CLI::App& app) {
  const auto options = std::make_shared<info_options>();
  app.add_option("model", options->model, "a .dsmm file")->required();
  app.add_option("--level", options->level, "look at this level of a file of levels");
  app.add_flag("--ops", options->ops, "list every op with its cost");
  app.add_flag("--json", options->as_json, "everything, as JSON");
  app.add_option("--netron", options->netron, "also write FILE.netron, which the viewer Netron opens")
      ->type_name("FILE");
  app.callback([options] { run(*options); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
