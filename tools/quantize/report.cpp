// SPDX-License-Identifier: Apache-2.0
#include "tools/quantize/report.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "dsmm/model/file.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

std::string kind_name(op_kind kind) { return find_signature(static_cast<std::uint32_t>(kind))->name; }

void print_agreement(const char* title, const std::vector<convert::output_agreement>& rows) {
  if (rows.empty()) return;
  std::printf("\n%s (%zu samples)\n  %-36s %9s %12s %12s\n", title, rows.front().samples, "output", "SQNR dB",
              "largest", "same top-1");
  for (const convert::output_agreement& a : rows) {
    if (a.samples == 0) continue;
    const std::string name = a.name.substr(0, 28) + (a.logits ? " logits" : "");
    std::printf("  %-36s %9.1f %12.4g", name.c_str(), a.sqnr_db(), a.largest);
    if (a.ranks) std::printf(" %11.2f%%", a.top1_percent());
    std::printf("\n");
  }
}

nlohmann::ordered_json json_of(const std::vector<convert::output_agreement>& rows) {
  auto list = nlohmann::ordered_json::array();
  for (const convert::output_agreement& a : rows) {
    if (a.samples == 0) continue;
    nlohmann::ordered_json j{{"output", a.name}, {"logits", a.logits}, {"samples", a.samples},
                             {"sqnr_db", a.sqnr_db()}, {"noise_percent", a.noise_percent()}, {"largest", a.largest}};
    if (a.ranks) j["top1_percent"] = a.top1_percent();
    list.push_back(std::move(j));
  }
  return list;
}

nlohmann::ordered_json group_of(const convert::quantize_options& options) {
  if (options.group == convert::auto_group) return "auto";
  return options.group;
}

}  // namespace

std::string text_of_percent(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %%", value);
  return text;
}

void print_report(const convert::quantize_report& report, const convert::quantize_options& options,
                  std::size_t samples) {
  std::printf("%-36s %-9s %4s %5s %10s %9s\n", "layer", "kind", "bits", "group", "bytes", "SQNR dB");
  for (const convert::layer_report& l : report.layers) {
    const char* const note = l.bits == 32                ? "  f32: loss"
                             : l.fell_back               ? "  8 bits: loss"
                             : l.is_small                ? "  8 bits: small"
                             : l.is_end && l.bits == 8 ? "  8 bits: end"
                                                         : "";
    std::printf("%-36s %-9s %4d %5d %10zu %9.1f%s\n", l.name.substr(0, 36).c_str(), kind_name(l.kind).c_str(), l.bits,
                l.group, l.bytes, l.sqnr_db, note);
  }
  print_agreement("calibration data", report.calibration);
  print_agreement("evaluation data", report.evaluation);
  std::printf("\n%zu integer ops, %zu general ones; %zu calibration samples; noise in the worst output %s",
              report.integer_ops, report.general_ops, samples, text_of_percent(report.loss).c_str());
  if (report.held_out != 0) std::printf(", on %zu of them that shaped no weights", report.held_out);
  std::printf("\n");
  if (const auto n = std::ranges::count(report.layers, 32, &convert::layer_report::bits); n != 0)
    std::printf("%zu of %zu layers run in f32 to hold the loss (--keep-integers: none)\n",
                static_cast<std::size_t>(n), report.layers.size());
  if (report.loss > options.max_loss)
    std::printf("the bound of %s is missed%s\n", text_of_percent(options.max_loss).c_str(),
                options.f32_for_loss ? "" : ": --max-loss lets layers run in f32 for it");
  std::printf("%zu bytes instead of %zu: %.2f times smaller\n", report.bytes, report.bytes_fp32,
              static_cast<double>(report.bytes_fp32) / static_cast<double>(std::max<std::size_t>(report.bytes, 1)));
}

void write_json(const convert::quantize_report& report, const convert::quantize_options& options, std::size_t samples,
                const std::string& path) {
  nlohmann::ordered_json j{{"weights", options.bits == 4 ? "int4" : "int8"},
                           {"group", group_of(options)},
                           {"widen", options.widen},
                           {"second_order", options.second_order},
                           {"bias_correction", options.correct_bias},
                           {"max_loss_percent", options.max_loss},
                           {"f32_for_loss", options.f32_for_loss},
                           {"calibration_samples", samples},
                           {"bytes", report.bytes},
                           {"bytes_fp32", report.bytes_fp32},
                           {"integer_ops", report.integer_ops},
                           {"general_ops", report.general_ops},
                           {"added_channels", report.added_channels},
                           {"loss_percent", report.loss},
                           {"held_out_samples", report.held_out}};
  auto layers = nlohmann::ordered_json::array();
  for (const convert::layer_report& l : report.layers)
    layers.push_back({{"name", l.name}, {"kind", kind_name(l.kind)}, {"bits", l.bits}, {"group", l.group},
                      {"sqnr_db", l.sqnr_db}, {"parameters", l.parameters}, {"bytes", l.bytes},
                      {"bytes_fp32", l.bytes_fp32}, {"end", l.is_end}, {"small", l.is_small},
                      {"fell_back", l.fell_back}});
  j["layers"] = std::move(layers);
  j["calibration"] = json_of(report.calibration);
  j["evaluation"] = json_of(report.evaluation);
  const std::string text = j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  need(write_file(path.c_str(), std::as_bytes(std::span(text))), path);
}

}  // namespace dsmm::inline DSMM_ABI::tools
