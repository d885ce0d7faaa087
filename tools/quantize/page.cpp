// SPDX-License-Identifier: Apache-2.0
#include "tools/quantize/page.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "dsmm/model/op_kind.hpp"
#include "tools/report/html.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

using convert::layer_report;
using report::cell;
using report::escaped;
using report::fixed;
using report::tile;

constexpr const char* css_of(const layer_report& l) noexcept {
  return l.bits == 32 ? "dot-both" : l.fell_back ? "series" : l.bits == 8 ? "image" : "joint";
}
constexpr const char* reason_of(const layer_report& l) noexcept {
  return l.bits == 32  ? "f32, or the loss would be too large"
         : l.fell_back ? "8 bits, or the loss would be too large"
         : l.bits == 4 ? "4 bits"
                       : "8 bits by its place, kind or size";
}

std::string megabytes(std::size_t bytes) { return fixed(static_cast<double>(bytes) * 1e-6, 2) + " MB"; }

/// One bar a layer, in the order in which they run.
std::string noise_chart(const std::vector<layer_report>& layers) {
  constexpr double width = 1040, left = 250, right = 70, row = 18, top = 24;
  double most = 20;
  for (const layer_report& l : layers) most = std::max(most, std::min(l.sqnr_db, 80.0));
  const double height = top + row * static_cast<double>(layers.size()) + 8;
  report::svg s(width, height, "signal against rounding noise per layer");
  const auto x = [&](double db) { return left + (width - left - right) * std::clamp(db, 0.0, most) / most; };
  for (int tick = 0; tick <= 4; ++tick) {
    s.line(x(most * tick / 4), top - 4, x(most * tick / 4), height - 4, "grid");
    s.text(x(most * tick / 4), top - 10, fixed(most * tick / 4, 0) + " dB", "middle");
  }
  double y = top;
  for (const layer_report& l : layers) {
    const std::string name = l.name.size() > 34 ? "..." + l.name.substr(l.name.size() - 31) : l.name;
    s.text(left - 8, y + 12, name, "end");
    s.rect(left, y + 2, x(l.sqnr_db) - left, row - 5, css_of(l),
           l.name + ": " + fixed(l.sqnr_db) + " dB, " + reason_of(l));
    s.text(x(l.sqnr_db) + 6, y + 12, fixed(l.sqnr_db) + "  " + std::to_string(l.bits) + " bit");
    y += row;
  }
  return std::move(s).finish();
}

/// The values that a layer read; heights are logarithmic, as the tails are what a range is chosen for.
std::string activations_chart(const convert::seen_activations& seen) {
  constexpr double width = 430, height = 170, left = 10, right = 10, top = 22, bottom = 26;
  report::svg s(width, height, "what the layer read, and its grid");
  const double low = std::min(seen.low, seen.grid_low), high = std::max(seen.high, seen.grid_high);
  const auto x = [&](double v) { return left + (width - left - right) * (v - low) / std::max(high - low, 1e-30); };
  const double most = std::log1p(*std::max_element(seen.bins.begin(), seen.bins.end()));
  const double floor = height - bottom, step = (seen.high - seen.low) / static_cast<double>(seen.bins.size());
  s.rect(x(seen.grid_low), top, x(seen.grid_high) - x(seen.grid_low), floor - top, "stroke");
  for (std::size_t i = 0; i < seen.bins.size(); ++i) {
    const double from = seen.low + step * static_cast<double>(i), h = (floor - top) * std::log1p(seen.bins[i]) / most;
    if (seen.bins[i] != 0)
      s.rect(x(from), floor - h, std::max(x(from + step) - x(from) - 0.5, 0.5), h, "joint",
             fixed(from, 3) + " to " + fixed(from + step, 3) + ": " + std::to_string(seen.bins[i]) + " values");
  }
  s.line(left, floor, width - right, floor, "axis");
  for (const double edge : {seen.grid_low, seen.grid_high}) s.line(x(edge), top - 4, x(edge), floor, "mark");
  s.text(x(seen.grid_low), height - 8, fixed(seen.grid_low, 3));
  s.text(x(seen.grid_high), height - 8, fixed(seen.grid_high, 3), "end");
  return std::move(s).finish();
}

std::string agreement_rows(const char* data, const std::vector<convert::output_agreement>& rows) {
  std::string out;
  for (const convert::output_agreement& a : rows) {
    if (a.samples == 0) continue;
    out += "<tr>" + cell(escaped(a.name) + (a.logits ? " (logits)" : "")) + cell(data) +
           cell(std::to_string(a.samples)) + cell(fixed(a.sqnr_db()) + " dB") + cell(fixed(a.largest, 4)) +
           cell(a.ranks ? fixed(a.top1_percent(), 2) + "&thinsp;%" : "&ndash;") + "</tr>";
  }
  return out;
}

std::string tiles(const convert::quantize_report& r, std::size_t samples) {
  const auto& judged = r.evaluation.empty() ? r.calibration : r.evaluation;
  const auto ranked =
      std::find_if(judged.begin(), judged.end(), [](const auto& a) { return a.ranks && a.samples != 0; });
  std::string out =
      "<div class=\"tiles\">" + tile(megabytes(r.bytes), "instead of " + megabytes(r.bytes_fp32)) +
      tile(fixed(static_cast<double>(r.bytes_fp32) / static_cast<double>(std::max<std::size_t>(r.bytes, 1)), 2) +
               "&times;",
           "smaller") +
      tile(fixed(r.loss, 2) + "&thinsp;%", "noise in the worst output");
  if (ranked != judged.end())
    out += tile(fixed(ranked->top1_percent(), 1) + "&thinsp;%",
                "same first class, " + std::to_string(ranked->samples) + " samples");
  return out + tile(std::to_string(r.integer_ops), "integer ops; " + std::to_string(r.general_ops) + " general ones") +
         tile(std::to_string(samples), "calibration samples") + "</div>";
}

std::string worst_layers(const std::vector<layer_report>& layers) {
  std::vector<const layer_report*> worst;
  for (const layer_report& l : layers)
    if (!l.reads.bins.empty()) worst.push_back(&l);
  std::stable_sort(worst.begin(), worst.end(),
                   [](const layer_report* a, const layer_report* b) { return a->sqnr_db < b->sqnr_db; });
  if (worst.size() > 6) worst.resize(6);
  std::string out = "<div class=\"two\">";
  for (const layer_report* l : worst)
    out += "<div class=\"card\"><b>" + escaped(l->name) + "</b> <span class=\"soft\">" + fixed(l->sqnr_db) + " dB, " +
           reason_of(*l) + "</span>" + activations_chart(l->reads) + "</div>";
  return out + "</div>";
}

}  // namespace

std::string quantize_page(const convert::quantize_report& r, const std::string& title, std::size_t samples) {
  std::string out = report::page_head(title, "quantized by dsmm") + tiles(r, samples);
  out +=
      "<h2>Outputs beside the fp32 model</h2><div class=\"card\"><table><tr><th>output</th><th>data</th>"
      "<th>samples</th><th>signal to noise</th><th>largest difference</th><th>same first class</th></tr>" +
      agreement_rows("calibration", r.calibration) + agreement_rows("evaluation", r.evaluation) + "</table></div>";
  out +=
      "<h2>Noise of each layer</h2><p class=\"soft\">Signal against the noise that rounding its own weights leaves "
      "in a layer's output; longer is better. <span class=\"key\" style=\"background:var(--joint)\"></span>4 bits"
      "<span class=\"key\" style=\"background:var(--image)\"></span>8 bits by place or kind"
      "<span class=\"key\" style=\"background:var(--series)\"></span>8 bits to hold the loss"
      "<span class=\"key\" style=\"background:var(--fail)\"></span>f32 to hold it</p><div class=\"card\">" +
      noise_chart(r.layers) + "</div>";
  out +=
      "<h2>What the worst layers read</h2><p class=\"soft\">Values seen while calibrating, logarithmic heights; the "
      "shaded part between the dashed lines is what the 256 levels of the layer's input hold, the rest is "
      "clipped.</p>" +
      worst_layers(r.layers);
  out +=
      "<h2>Layers</h2><div class=\"card\"><table><tr><th>layer</th><th>kind</th><th>bits</th><th>group</th>"
      "<th>parameters</th><th>bytes</th><th>of fp32</th><th>dB</th></tr>";
  for (const layer_report& l : r.layers)
    out += "<tr>" + cell(escaped(l.name)) + cell(find_signature(static_cast<std::uint32_t>(l.kind))->name) +
           cell(std::to_string(l.bits)) + cell(std::to_string(l.group)) + cell(std::to_string(l.parameters)) +
           cell(std::to_string(l.bytes)) +
           cell(report::per_cent(static_cast<double>(l.bytes) /
                                 static_cast<double>(std::max<std::size_t>(l.bytes_fp32, 1)))) +
           cell(fixed(l.sqnr_db)) + "</tr>";
  return out + "</table></div></main></body></html>\n";
}

}  // namespace dsmm::inline DSMM_ABI::tools
