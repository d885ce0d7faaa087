// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/summary.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace dsmm::inline DSMM_ABI::demo {

namespace {

long long whole(std::int64_t v) { return static_cast<long long>(v); }
std::string per_cent(double share) { return std::isfinite(share) ? number(100 * share, 1) + " %" : "-"; }

std::vector<double> sorted(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v;
}

void print_latency(const char* name, const std::vector<double>& v) {
  std::printf("%-34s p50 %7.2f  p90 %7.2f  p99 %7.2f  p99.9 %7.2f  max %7.2f ms\n", name, percentile(v, 0.5),
              percentile(v, 0.9), percentile(v, 0.99), percentile(v, 0.999), percentile(v, 1));
}

void print_kinds(const tally& t) {
  std::printf("\n%-33s %6s %12s %14s %14s %8s\n", "called defective", "parts", "image alone", "sensors alone",
              "joint verdict", "unknown");
  for (const kind_row& r : t.rows()) {
    std::printf("%-33s %6lld %12s %14s %14s %8lld\n", r.kind.c_str(), whole(r.parts),
                per_cent(r.image_share(t.limits())).c_str(), per_cent(r.series_share(t.limits())).c_str(),
                per_cent(r.joint_share()).c_str(), whole(r.unknown));
  }
  const auto row = [&](const char* name, auto value) {
    std::printf("%-33s %6s %12s %14s %14s\n", name, "", per_cent(value(t.image())).c_str(),
                per_cent(value(t.series())).c_str(), per_cent(value(t.joint())).c_str());
  };
  row("defects found", [](const outcome& o) { return o.detection(); });
  row("false alarms", [](const outcome& o) { return o.false_alarm_rate(); });
  row("decided right", [](const outcome& o) { return o.accuracy(); });
  std::printf("\n");
}

}  // namespace

std::string number(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

void print_status(const tally& t) {
  const std::vector<double> ms = sorted(t.decisions_ms());
  std::fprintf(stderr, "\r\033[K%lld parts   PASS %lld  FAIL %lld  UNKNOWN %lld   p50 %s ms  p99 %s ms",
               whole(t.parts()), whole(t.count(verdict::pass)), whole(t.count(verdict::fail)),
               whole(t.count(verdict::unknown)), number(percentile(ms, 0.5), 2).c_str(),
               number(percentile(ms, 0.99), 2).c_str());
  std::fflush(stderr);
}

void print_summary(const run_facts& f, const tally& t) {
  std::printf("%s%s\n", f.title.c_str(), f.stopped ? " (ended early)" : "");
  if (f.inspected) std::printf("model %s, identity %s\n", f.model.c_str(), f.identity.c_str());
  else std::printf("no model was given for this line: joined, not judged\n");
  std::printf("%lld parts in %.2f s, %.1f parts/s, %s\n", whole(t.parts()), f.wall_s,
              static_cast<double>(t.parts()) / std::max(f.wall_s, 1e-9), f.pacing.c_str());
  std::printf("PASS %lld  FAIL %lld  UNKNOWN %lld", whole(t.count(verdict::pass)), whole(t.count(verdict::fail)),
              whole(t.count(verdict::unknown)));
  for (const auto& [reason, n] : t.reasons()) std::printf("  (%s %lld)", reason.c_str(), whole(n));
  std::printf("\n");
  for (const damage_note& d : f.damaged)
    std::printf("damaged: %s (%lld parts, the first is %s)\n", d.what.c_str(), whole(d.parts), d.first_part.c_str());
  if (f.inspected) print_latency("arrival to decision", sorted(t.decisions_ms()));
  print_latency("hand-over to result", sorted(t.deliveries_ms()));
  if (f.inspected && !t.rows().empty()) print_kinds(t);
  std::printf(
      "deadlines missed (%.0f ms): %lld   incomplete joins: %lld   damaged inputs: %lld   peak memory: %.0f MiB\n",
      f.deadline_ms, whole(t.late()), whole(t.incomplete()), whole(t.damaged()), f.peak_mib);
}

}  // namespace dsmm::inline DSMM_ABI::demo
