// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/level.hpp"
#include "tools/problem.hpp"
#include "tools/timing/percentiles.hpp"
#include "tools/timing/timed_model.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

using json = nlohmann::ordered_json;

struct bench_options {
  std::vector<std::string> models;
  std::vector<double> levels;
  std::string program, isa;
  std::uint32_t threads = 1;
  double seconds = 2;
  std::uint64_t seed = 1;
  bool json = false;
};

/// What one model took.
struct bench_row {
  timed_model model;
  std::vector<double> us{};
  std::vector<timed_op> ops{};

  percentiles latency() const { return percentiles::of(us); }
  work cost() const { return work_of(model.source(), model.program()); }
};

/// Two operations per multiply-add, in 10^9 per second.
double gops(std::uint64_t multiply_adds, double us) {
  return us <= 0 ? 0 : 2e-3 * static_cast<double>(multiply_adds) / us;
}

/// Runs the models in turn, so that whatever else the machine does meets them alike.
void measure(std::vector<bench_row>& rows, double seconds) {
  using clock = std::chrono::steady_clock;
  for (bench_row& r : rows)
    for (int i = 0; i < 3; ++i) r.model.run();
  const auto end = clock::now() + std::chrono::duration<double>(seconds);
  do
    for (bench_row& r : rows) r.us.push_back(r.model.run());
  while (clock::now() < end || rows[0].us.size() < 5);
  for (bench_row& r : rows) {
    const double affordable = 0.25e6 * seconds / std::max(r.latency().p50, 1.0);
    r.ops = r.model.profile(static_cast<std::size_t>(std::clamp(affordable, 3.0, 1000.0)));
  }
}

/// Time of the second over time of the first, run by run.
percentiles ratios(const std::vector<bench_row>& rows, double& low) {
  std::vector<double> out(rows[0].us.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = rows[1].us[i] / rows[0].us[i];
  std::sort(out.begin(), out.end());
  low = percentile(out, 0.1);
  return percentiles::of(std::move(out));
}

double sum_us(const std::vector<timed_op>& ops) {
  double sum = 0;
  for (const timed_op& op : ops) sum += op.us;
  return sum;
}

std::string op_name(const model& m, const timed_op& op) { return std::string(m.name(m.ops()[op.index].name)); }

json to_json(const bench_row& r) {
  const percentiles p = r.latency();
  const model& m = r.model.source();
  json ops = json::array();
  const double sum = sum_us(r.ops);
  for (const timed_op& op : r.ops)
    ops.push_back({{"name", op_name(m, op)},
                   {"kind", find_signature(m.ops()[op.index].kind)->name},
                   {"us", op.us},
                   {"share", sum > 0 ? op.us / sum : 0},
                   {"multiply_adds", op.cost.multiply_adds},
                   {"gops", gops(op.cost.multiply_adds, op.us)},
                   {"bytes", op.bytes}});
  return {{"file", r.model.path()},
          {"identity", m.short_identity().data()},
          {"program", std::string(m.name(r.model.program().name))},
          {"runs", r.us.size()},
          {"latency_us", {{"p50", p.p50}, {"p90", p.p90}, {"p99", p.p99}, {"p99_9", p.p999}, {"max", p.max}}},
          {"multiply_adds", r.cost().multiply_adds},
          {"gops", gops(r.cost().multiply_adds, p.p50)},
          {"arena_bytes", r.model.arena_bytes()},
          {"weight_bytes", r.model.weight_bytes()},
          {"file_bytes", m.file().size()},
          {"ops", std::move(ops)}};
}

void print_ops(const bench_row& r) {
  const model& m = r.model.source();
  std::vector<timed_op> ops = r.ops;
  std::stable_sort(ops.begin(), ops.end(), [](const timed_op& a, const timed_op& b) { return a.us > b.us; });
  const double sum = sum_us(ops);
  std::printf("\n%s: time by op, slowest first\n", r.model.path().c_str());
  std::printf("  %10s %6s %9s %12s  %-16s %s\n", "us", "share", "GOP/s", "bytes", "kind", "name");
  constexpr std::size_t shown = 20;
  for (std::size_t i = 0; i < std::min(shown, ops.size()); ++i)
    std::printf("  %10.2f %5.1f%% %9.1f %12llu  %-16s %s\n", ops[i].us, sum > 0 ? 100 * ops[i].us / sum : 0,
                gops(ops[i].cost.multiply_adds, ops[i].us), static_cast<unsigned long long>(ops[i].bytes),
                find_signature(m.ops()[ops[i].index].kind)->name, op_name(m, ops[i]).c_str());
  if (ops.size() > shown) {
    double rest = 0;
    for (std::size_t i = shown; i < ops.size(); ++i) rest += ops[i].us;
    std::printf("  %10.2f %5.1f%% %9s %12s  %zu more ops (--json lists all)\n", rest, sum > 0 ? 100 * rest / sum : 0,
                "", "", ops.size() - shown);
  }
}

void print(const std::vector<bench_row>& rows, const bench_options& o, isa level) {
  std::printf("%s, %u thread%s, random inputs (seed %llu), times in microseconds\n", to_string(level), o.threads,
              o.threads == 1 ? "" : "s", static_cast<unsigned long long>(o.seed));
  std::printf("%-28s %8s %10s %10s %10s %10s %10s %8s %11s %11s\n", "model", "runs", "p50", "p90", "p99", "p99.9",
              "max", "GOP/s", "arena", "weights");
  for (const bench_row& r : rows) {
    const percentiles p = r.latency();
    std::printf("%-28s %8zu %10.1f %10.1f %10.1f %10.1f %10.1f %8.1f %11zu %11llu\n", r.model.path().c_str(),
                r.us.size(), p.p50, p.p90, p.p99, p.p999, p.max, gops(r.cost().multiply_adds, p.p50),
                r.model.arena_bytes(), static_cast<unsigned long long>(r.model.weight_bytes()));
  }
  if (rows.size() == 2) {
    double low = 0;
    const percentiles ratio = ratios(rows, low);
    std::printf("second / first: %.3f (8 of 10 pairs of runs between %.3f and %.3f)\n", ratio.p50, low, ratio.p90);
  }
  for (const bench_row& r : rows) print_ops(r);
}

void bench_models(const bench_options& o) {
  thread_pool pool(o.threads);
  session_options options;
  options.exec = pool.handle();
  options.general = &find_general_op;
  options.level = o.isa.empty() ? need(selected_isa(), "DSMM_ISA") : need(find_isa(o.isa), "--isa");
  std::vector<bench_row> rows;
  const std::size_t count = std::max(o.models.size(), o.levels.size());
  rows.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double level = o.levels.empty() ? whole_file : o.levels[std::min(i, o.levels.size() - 1)];
    rows.push_back({timed_model(o.models[std::min(i, o.models.size() - 1)], level, o.program, options, o.seed)});
  }
  measure(rows, o.seconds);
  if (!o.json) return print(rows, o, *options.level);
  json out = {{"isa", to_string(*options.level)}, {"threads", o.threads}, {"seed", o.seed}};
  for (const bench_row& r : rows) out["models"].push_back(to_json(r));
  if (rows.size() == 2) {
    double low = 0;
    const percentiles ratio = ratios(rows, low);
    out["second_over_first"] = {{"p10", low}, {"p50", ratio.p50}, {"p90", ratio.p90}};
  }
  std::printf("%s\n", out.dump(1, ' ', true, json::error_handler_t::replace).c_str());
}

}  // namespace

void bench(CLI::App& app) {
  const auto o = std::make_shared<bench_options>();
  app.add_option("model", o->models, "one model, or two to compare run by run")->required()->expected(1, 2);
  app.add_option("--level", o->levels, "a level of a file of levels, or two to compare: 1.0,0.25")
      ->delimiter(',')
      ->expected(1, 2);
  app.add_option("--threads", o->threads, "threads; never changes a result")->check(CLI::Range(1, 256));
  app.add_option("--seconds", o->seconds, "how long to run")->check(CLI::Range(0.01, 3600.0))->capture_default_str();
  app.add_option("--program", o->program, "entry point; the first one by default");
  app.add_option("--isa", o->isa, "instruction set, as for dsmm run");
  app.add_option("--seed", o->seed, "of the random inputs")->capture_default_str();
  app.add_flag("--json", o->json, "everything, as JSON");
  app.callback([o] { bench_models(*o); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
