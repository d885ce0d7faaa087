// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/prune/agreement.hpp"
#include "dsmm/convert/prune/block_sparsity.hpp"
#include "dsmm/convert/prune/pruner.hpp"
#include "dsmm/core/thread_pool.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/problem.hpp"
#include "tools/prune/curve.hpp"
#include "tools/prune/sample_folder.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

namespace pr = convert::prune;
using convert::lowered_graph;
using meta_lines = std::vector<std::pair<std::string, std::string>>;

struct prune_command {
  std::string model, output, calibration, evaluation, curve;
  double keep = 1.0, blocks = 0.0;
  std::vector<double> levels, curve_at = {1.0, 0.9, 0.75, 0.6, 0.5, 0.35, 0.25, 0.15};
  pr::cut_options cuts;
  std::int64_t positions = 4096;
  double damping = 0.01;
  std::size_t samples = 128;
  std::uint32_t threads = 1;
};

void progress(const char* stage, std::size_t done, std::size_t total) {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s %zu / %zu", stage, done, total);
}
void end_progress() {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
}

/// One run of `prune`: the original network, data, and what it computes on data that nothing is fitted to.
class job {
public:
  explicit job(const prune_command& c)
      : c_(c), pool_(c.threads), file_(need(read_file(c.model.c_str()), c.model)), graph_(open(file_, c.model, meta_)) {
    if (c.calibration.empty())
      throw problem{"pruning needs data that looks like what the model will see", c.model,
                    "give --calibration DIR with some tens of .npy samples"};
    data_.emplace(graph_, c.calibration, c.samples);
    if (!c.evaluation.empty()) judge_.emplace(graph_, c.evaluation, c.samples);
    options_.positions = c.positions;
    options_.damping = c.damping;
    options_.session.exec = pool_.handle();
    options_.session.general = &find_general_op;
    options_.progress = progress;
    original_ = need(pr::record_outputs(graph_, judge(), options_.session), c.model);
  }

  const lowered_graph& graph() const noexcept { return graph_; }
  const convert::sample_set& data() const noexcept { return data_->set(); }
  const convert::sample_set& judge() const noexcept { return judge_ ? judge_->set() : data_->set(); }
  const pr::observe_options& options() const noexcept { return options_; }

  pr::agreement agreement_of(const lowered_graph& g) const {
    return pr::compare_outputs(graph_, original_, need(pr::record_outputs(g, judge(), options_.session), c_.model));
  }
  file_bytes bytes_of(lowered_graph g, const meta_lines& more) const {
    meta_lines meta = meta_;
    meta.insert(meta.end(), more.begin(), more.end());
    return need(convert::emit_model(g, meta), c_.output);
  }
  /// Median of single runs over 0.4 s after a warm-up.
  double milliseconds_of(const lowered_graph& g) const {
    const auto run = need(convert::sample_run::prepare(g, {}, false, options_.session), c_.model);
    need(run->run(judge(), 0), c_.model);
    std::vector<double> times;
    const auto start = std::chrono::steady_clock::now();
    for (auto now = start; times.size() < 7 || (now - start < std::chrono::milliseconds(400) && times.size() < 999);) {
      run->repeat();
      const auto then = std::chrono::steady_clock::now();
      times.push_back(std::chrono::duration<double, std::milli>(then - now).count());
      now = then;
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
  }

private:
  static lowered_graph open(const file_bytes& file, const std::string& path, meta_lines& meta) {
    const model m = need(model::open(file.bytes()), path);
    meta = convert::meta_of(m);
    return need(convert::read_graph(m), path);
  }

  const prune_command& c_;
  meta_lines meta_;
  thread_pool pool_;
  file_bytes file_;
  lowered_graph graph_;
  std::optional<sample_folder> data_, judge_;
  pr::observe_options options_;
  pr::output_record original_;
};

void print(const char* what, const pr::agreement& a) {
  std::printf("  %-14s SQNR %6.2f dB", what, a.sqnr_db);
  if (a.top1 >= 0) std::printf(", same top-1 %6.2f %%", 100 * a.top1);
  std::printf("\n");
}

/// Channels as asked for, then blocks; the file and a few lines about it.
void write_one(const job& j, const prune_command& c, const pr::pruner* p, double keep, const std::string& path) {
  lowered_graph g = j.graph(), cut = j.graph();
  const std::int64_t full = pr::multiply_adds(j.graph());
  std::int64_t cost = full;
  if (p != nullptr) {
    pr::pruned_network n = need(p->prune(keep), c.model);
    g = std::move(n.refitted), cut = std::move(n.cut), cost = n.multiply_adds;
  }
  if (c.blocks > 0) {
    pr::sparse_network n = need(pr::prune_blocks(g, j.data(), {.drop = c.blocks}, j.options()), c.model);
    g = std::move(n.refitted), cut = std::move(n.zeroed), cost = n.multiply_adds;
  }
  end_progress();
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", keep);
  const file_bytes bytes = j.bytes_of(g, {{"pruned.keep", text}});
  need(write_file(path.c_str(), bytes.bytes()), path);
  std::printf("%s: %.1f of %.1f million multiply-adds (%.1f %%), %zu bytes\n", path.c_str(),
              static_cast<double>(cost) / 1e6, static_cast<double>(full) / 1e6,
              100.0 * static_cast<double>(cost) / static_cast<double>(full), bytes.bytes().size());
  if (static_cast<double>(cost) > keep * static_cast<double>(full))
    std::printf("  every layer is at its floor; --floor and --multiple say how much it keeps\n");
  print("before refit", j.agreement_of(cut));
  print("after refit", j.agreement_of(g));
}

void write_curve(const job& j, const prune_command& c, const pr::pruner& p) {
  std::vector<curve_point> points;
  for (const double keep : c.curve_at) {
    pr::pruned_network n = need(p.prune(keep), c.model);
    const pr::agreement before = j.agreement_of(n.cut), after = j.agreement_of(n.refitted);
    const double ms = j.milliseconds_of(n.refitted);
    points.push_back({keep, n.multiply_adds, j.bytes_of(std::move(n.refitted), {}).bytes().size(), ms, before.sqnr_db,
                      after.sqnr_db, before.top1, after.top1});
    end_progress();
    std::printf("keep %.2f: %8.2f M multiply-adds, %9zu bytes, %8.3f ms\n", keep,
                static_cast<double>(n.multiply_adds) / 1e6, points.back().bytes, ms);
    print("before refit", before);
    print("after refit", after);
  }
  const nlohmann::json about = {{"model", std::filesystem::path(c.model).filename().string()},
                                {"threads", c.threads},
                                {"calibration_samples", j.data().count},
                                {"evaluation_samples", j.judge().count},
                                {"evaluated_on_calibration", c.evaluation.empty()}};
  const std::string text = curve_json(points, about);
  need(write_file(c.curve.c_str(), std::as_bytes(std::span(text))), c.curve);
  const std::string path = std::filesystem::path(c.curve).replace_extension(".svg").string(),
                    drawing = curve_svg(points);
  need(write_file(path.c_str(), std::as_bytes(std::span(drawing))), path);
  std::printf("%s, %s\n", c.curve.c_str(), path.c_str());
}

void prune_model(const prune_command& c) {
  if (c.output.empty() && c.curve.empty())
    throw problem{"nothing to write", c.model, "give -o FILE.dsmm, --curve FILE.json, or both", 2};
  if (!c.output.empty() && c.levels.empty() && c.keep >= 1.0 && c.blocks <= 0)
    throw problem{"nothing to prune", c.model, "give --keep below 1, --levels, or --blocks", 2};
  const job j(c);
  std::unique_ptr<pr::pruner> p;
  if (c.keep < 1.0 || !c.levels.empty() || !c.curve.empty())
    p = need(pr::pruner::open(j.graph(), j.data(), c.cuts, j.options()), c.model);
  if (!c.output.empty() && c.levels.empty()) write_one(j, c, p.get(), c.keep, c.output);
  for (const double level : c.levels) {
    std::filesystem::path path = c.output;
    char text[32];
    std::snprintf(text, sizeof(text), "-%.4g", level);
    path.replace_filename(path.stem().string() + text + path.extension().string());
    if (!c.output.empty()) write_one(j, c, p.get(), level, path.string());
  }
  if (!c.curve.empty()) write_curve(j, c, *p);
}

}  // namespace

void prune(CLI::App& app) {
  const auto c = std::make_shared<prune_command>();
  app.add_option("model", c->model, "fp32 model of dsmm import (.dsmm)")->required();
  app.add_option("-o,--output", c->output, "the .dsmm file to write; with --levels, NAME-LEVEL.dsmm for each");
  app.add_option(
      "--calibration", c->calibration,
      "folder of .npy samples that channels are judged and weights fitted by; DIR/INPUT/*.npy for several inputs");
  app.add_option("--evaluate", c->evaluation,
                 "folder of other samples for the report; the calibration data by default");
  app.add_option("--keep", c->keep, "share of the multiply-adds that stays")->check(CLI::Range(0.0, 1.0));
  app.add_option("--levels", c->levels, "several shares, each a subset of the one before: 1.0,0.5,0.25")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--blocks", c->blocks, "share of the blocks of 4 inputs x 32 outputs that becomes zero")
      ->check(CLI::Range(0.0, 0.875));
  app.add_option("--multiple", c->cuts.multiple, "layers keep a multiple of this many channels")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--floor", c->cuts.floor, "share of its channels that every layer keeps")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--even", c->cuts.even, "take the same share from every layer");
  app.add_option("--curve", c->curve,
                 "JSON of size, multiply-adds, latency and agreement per share, and a drawing beside it");
  app.add_option("--curve-at", c->curve_at, "shares for --curve")->delimiter(',')->check(CLI::Range(0.0, 1.0));
  app.add_option("--samples", c->samples, "most samples to take from a folder")->check(CLI::Range(1, 100000));
  app.add_option("--positions", c->positions, "output positions per layer that are looked at, over all samples")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  app.add_option("--damping", c->damping, "pull towards the old weights, as a share of a column's variance")
      ->check(CLI::Range(1e-9, 1e3))
      ->capture_default_str();
  app.add_option("--threads", c->threads, "threads; never changes a result")->check(CLI::Range(1, 256));
  app.callback([c] { prune_model(*c); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
