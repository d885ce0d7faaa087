// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/page.hpp"

#include <algorithm>
#include <cmath>

#include "tools/report/base64.hpp"
#include "tools/report/charts.hpp"
#include "tools/report/html.hpp"

namespace dsmm::inline DSMM_ABI::demo {

namespace {

using report::cell;
using report::escaped;
using report::fixed;
using report::per_cent;
using report::tile;

std::string readable(std::string kind) {
  std::replace(kind.begin(), kind.end(), '_', ' ');
  return kind;
}

std::string tiles(const run_facts& f, const tally& t) {
  std::vector<double> ms = t.decisions_ms();
  std::sort(ms.begin(), ms.end());
  std::string out =
      "<div class=\"tiles\">" + tile(std::to_string(t.parts()), "parts seen") +
      tile(fixed(static_cast<double>(t.parts()) / std::max(f.wall_s, 1e-9)) + "/s", "throughput, " + f.pacing);
  if (t.joint().parts() > 0) out += tile(per_cent(t.joint().accuracy(), 2), "of judged parts decided right");
  if (f.inspected)
    out += tile(fixed(percentile(ms, 0.5), 2) + " ms", "arrival to decision, median") +
           tile(fixed(percentile(ms, 0.99), 2) + " ms", "arrival to decision, p99") +
           tile(std::to_string(t.late()), "deadlines missed (" + fixed(f.deadline_ms, 0) + " ms)");
  return out + tile(fixed(f.peak_mib, 0) + " MiB", "peak memory of the process") + "</div>";
}

std::string kind_table(const tally& t) {
  std::string out =
      "<div class=\"card\"><table><tr><th>kind</th><th>parts</th><th>image alone</th><th>sensors alone</th><th>joint "
      "verdict</th><th>unknown</th></tr>";
  const char* const headings[] = {"good parts: share called defective (false alarms)",
                                  "seen by the camera: share found", "seen by the sensors: share found",
                                  "seen only by both together: share found"};
  int heading = -1;
  for (const kind_row& r : t.rows()) {
    if (const int group = static_cast<int>(r.seen_by); group != heading) {
      heading = group;
      out += "<tr class=\"head\"><td colspan=\"6\">" + std::string(headings[heading]) + "</td></tr>";
    }
    out += "<tr>" + cell(escaped(readable(r.kind))) + cell(std::to_string(r.parts)) +
           cell(per_cent(r.image_share(t.limits()))) + cell(per_cent(r.series_share(t.limits()))) +
           cell(per_cent(r.joint_share()), "good-number") + cell(std::to_string(r.unknown)) + "</tr>";
  }
  const auto sum = [&](const char* name, auto value) {
    out += "<tr class=\"sum\">" + cell(name) + cell("") + cell(per_cent(value(t.image()))) +
           cell(per_cent(value(t.series()))) + cell(per_cent(value(t.joint())), "good-number") + cell("") + "</tr>";
  };
  out += "<tr class=\"head\"><td colspan=\"6\">all judged parts</td></tr>";
  sum("defects found", [](const outcome& o) { return o.detection(); });
  sum("false alarms", [](const outcome& o) { return o.false_alarm_rate(); });
  sum("decided right", [](const outcome& o) { return o.accuracy(); });
  return out + "</table></div>";
}

std::string kind_chart(const tally& t) {
  const auto bar = [](double share) { return std::isfinite(share) ? share : -1.0; };
  std::vector<report::bar_group> groups;
  for (const kind_row& r : t.rows())
    if (r.defective)
      groups.push_back(
          {readable(r.kind), {bar(r.image_share(t.limits())), bar(r.series_share(t.limits())), bar(r.joint_share())}});
  if (groups.empty()) return {};
  return "<div class=\"card\">" +
         report::bar_chart(groups, {"image alone", "sensors alone", "joint verdict"}, {"image", "series", "joint"}) +
         "</div>";
}

std::string score_plane(const tally& t) {
  std::vector<report::score_point> points;
  const char* const css[] = {"dot-good", "dot-image", "dot-sensor", "dot-both"};
  for (const scored_part& p : t.points())
    if (std::isfinite(p.image) && std::isfinite(p.series))
      points.push_back({p.image, p.series, css[static_cast<std::size_t>(p.seen_by)], readable(p.kind)});
  if (points.empty()) return {};
  return "<div class=\"card\"><b>Why two senses</b><p class=\"soft\"><span class=\"key\" "
         "style=\"background:var(--pass);margin-left:0\"></span>good"
         "<span class=\"key\" style=\"background:var(--image)\"></span>visible defect<span class=\"key\" "
         "style=\"background:var(--series)\"></span>audible "
         "defect<span class=\"key\" style=\"background:var(--fail)\"></span>both together</p>" +
         report::score_chart(points, t.limits().image, t.limits().series) + "</div>";
}

std::string latency_table(const run_facts& f, const tally& t) {
  std::vector<double> decided = t.decisions_ms(), delivered = t.deliveries_ms();
  std::sort(decided.begin(), decided.end());
  std::sort(delivered.begin(), delivered.end());
  std::string out =
      "<div class=\"card\"><table><tr><th>ms</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>";
  const auto row = [&](const char* name, const std::vector<double>& v) {
    out += "<tr>" + cell(name);
    for (const double share : {0.5, 0.9, 0.99, 0.999, 1.0}) out += cell(fixed(percentile(v, share), 2));
    out += "</tr>";
  };
  if (f.inspected) row("arrival of the frame to decision", decided);
  row("hand-over of the frame to result in the application", delivered);
  out += "</table>";
  if (f.inspected) {
    const char* const names[] = {"check the frame", "sensor hops", "network", "heat map"};
    out += "<p class=\"soft\">Mean of the stages: ";
    for (std::size_t i = 0; i < 4; ++i)
      out += std::string(i == 0 ? "" : ", ") + names[i] + " " + fixed(t.mean_stage_ms(i), 2) + " ms";
    out += ".</p>";
  }
  return out + "</div>";
}

std::string gallery_cards(const std::vector<gallery_item>& gallery) {
  std::string out = "<div class=\"gallery\">";
  for (const gallery_item& g : gallery) {
    const judged_part& p = g.part;
    const char* const verdict = to_string(p.verdict);
    const bool wrong = p.truth_known && p.verdict != verdict::unknown && p.defective != (p.verdict == verdict::fail);
    out += std::string("<div class=\"card item") + (wrong ? " wrong" : "") + "\"><img alt=\"part " + escaped(p.part) +
           "\" src=\"data:image/png;base64," + report::base64(g.preview) + "\"><div class=\"text\"><h3>" +
           escaped(readable(p.kind)) + "<span class=\"badge " + verdict + "\">" + verdict +
           "</span></h3><div class=\"soft\">part " + escaped(p.part);
    if (p.verdict == verdict::unknown) out += ", not judged: " + std::string(to_string(p.reason));
    else
      out += ", image " + fixed(p.image, 2) + ", sensors " + fixed(p.series, 2) + ", joint " + fixed(p.joint, 2) +
             " (limit " + fixed(p.threshold, 2) + ")";
    if (wrong) out += p.defective ? ", missed" : ", false alarm";
    out += "</div>" + g.traces + "</div></div>";
  }
  return out + "</div>";
}

std::string integrity(const run_facts& f, const tally& t) {
  std::string out = "<div class=\"card\"><table><tr><th>what</th><th>parts</th></tr>";
  const auto row = [&](const std::string& name, std::int64_t n) {
    out += "<tr>" + cell(name) + cell(std::to_string(n)) + "</tr>";
  };
  row("PASS", t.count(verdict::pass));
  row("FAIL", t.count(verdict::fail));
  row("UNKNOWN: goes to reject, never to good", t.count(verdict::unknown));
  for (const auto& [reason, n] : t.reasons()) row("&emsp;because of " + reason, n);
  row("damaged inputs", t.damaged());
  row("frames that lacked a sensor", t.incomplete());
  row("sensors gone silent / back", f.stale);
  out += "</table>";
  for (const damage_note& d : f.damaged)
    out += "<p class=\"soft\">damaged: " + escaped(d.what) + ", " + std::to_string(d.parts) + " parts from " +
           escaped(d.first_part) + "</p>";
  return out + "</div>";
}

}  // namespace

std::string make_page(const run_facts& f, const tally& t, const std::vector<gallery_item>& gallery) {
  std::string out = report::page_head(f.title, "inspected by dsmm " + escaped(f.version) + ", " + escaped(f.date) +
                                                   (f.stopped ? ", ended by the user" : ""));
  out += "<p class=\"soft\">" + std::to_string(f.width) + "&times;" + std::to_string(f.height) + " pixels and " +
         std::to_string(f.sensor_channels) + " sensor channels per part, on " + escaped(f.machine) + " (" +
         std::to_string(f.cores) + " cores). ";
  out += f.inspected
             ? "Model " + escaped(f.model) + ", identity <code>" + escaped(f.identity) + "</code>, made for " +
                   escaped(f.product) + ".</p>"
             : "No model was given for this line: its pictures and sensors were joined, but no part was judged.</p>";
  out += tiles(f, t);
  if (!t.rows().empty() && f.inspected) {
    out += "<h2>What was found</h2>";
    if (std::isfinite(t.limits().image) && std::isfinite(t.limits().series))
      out +=
          "<p class=\"soft\">Each way of deciding uses its own threshold, chosen before on other sessions. A weak rub "
          "mark alone is harmless, a weak force event alone too; both in one stroke are a defect, which only the joint "
          "verdict can tell.</p>";
    out += kind_chart(t) + kind_table(t);
  }
  const std::string plane = score_plane(t);
  if (f.inspected && !t.decisions_ms().empty()) {
    out += "<h2>How fast</h2>" + latency_table(f, t);
    std::vector<double> ms = t.decisions_ms();
    const std::string trace = report::latency_trace(ms);
    std::sort(ms.begin(), ms.end());
    out += "<div class=\"two\"><div class=\"card\">" + report::latency_chart(ms, f.deadline_ms) +
           "</div><div class=\"card\">" + trace + "</div></div>";
    if (!plane.empty()) out += "<h2>Scores</h2><div class=\"two\">" + plane + integrity(f, t) + "</div>";
    else out += integrity(f, t);
  } else {
    out += "<h2>What arrived</h2>" + integrity(f, t) + (t.parts() > 0 ? latency_table(f, t) : "");
  }
  if (!gallery.empty())
    out +=
        "<h2>Parts</h2><p class=\"soft\">Under each picture its sensors until the exposure; the stroke of the part "
        "itself is shaded. Wrong decisions have a "
        "red frame.</p>" +
        gallery_cards(gallery);
  return out + "</main></body></html>\n";
}

}  // namespace dsmm::inline DSMM_ABI::demo
