// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "dsmm/convert/prune/block_sparsity.hpp"
#include "dsmm/convert/prune/pruner.hpp"
#include "dsmm/model/level_writer.hpp"
#include "tools/calibration/preprocessing.hpp"
#include "tools/commands.hpp"
#include "tools/level.hpp"
#include "tools/problem.hpp"
#include "tools/prune/curve.hpp"
#include "tools/prune/curve_png.hpp"
#include "tools/prune/job.hpp"
#include "tools/prune/levels.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

namespace pr = convert::prune;
using convert::lowered_graph;

/// Channels as asked for, then blocks; the file and a few lines about it.
void write_one(const prune_job& j, const prune_command& c, const pr::pruner* p) {
  lowered_graph g = j.graph(), cut = j.graph();
  const std::int64_t full = pr::multiply_adds(j.graph());
  std::int64_t cost = full;
  if (p != nullptr) {
    pr::pruned_network n = need(p->prune(c.keep), c.model);
    g = std::move(n.refitted), cut = std::move(n.cut), cost = n.multiply_adds;
  }
  if (c.blocks > 0) {
    pr::sparse_network n = need(pr::prune_blocks(g, j.data(), {.drop = c.blocks}, j.options()), c.model);
    g = std::move(n.refitted), cut = std::move(n.zeroed), cost = n.multiply_adds;
  }
  end_progress();
  const pr::agreement after = j.agreement_of(g);
  const file_bytes bytes = j.bytes_of(std::move(g), measured(c.keep, after));
  need(write_file(c.output.c_str(), bytes.bytes()), c.output);
  std::printf("%s: %.1f of %.1f million multiply-adds (%.1f %%), %zu bytes\n", c.output.c_str(),
              static_cast<double>(cost) / 1e6, static_cast<double>(full) / 1e6,
              100.0 * static_cast<double>(cost) / static_cast<double>(full), bytes.bytes().size());
  if (static_cast<double>(cost) > c.keep * static_cast<double>(full))
    std::printf("  every layer is at its floor; --floor and --multiple say how much it keeps\n");
  print_agreement("before refit", j.agreement_of(cut));
  print_agreement("after refit", after);
}

std::vector<curve_point> points_of(const prune_job& j, const prune_command& c, const pr::pruner& p) {
  std::vector<curve_point> points;
  for (const double keep : c.curve_at) {
    pr::pruned_network n = need(p.prune(keep), c.model);
    const pr::agreement before = j.agreement_of(n.cut), after = j.agreement_of(n.refitted);
    const double ms = j.milliseconds_of(n.refitted);
    const std::size_t bytes = j.bytes_of(std::move(n.refitted), {}).bytes().size();
    points.push_back({keep, n.multiply_adds, bytes, bytes, ms, before.sqnr_db, after.sqnr_db, before.top1, after.top1});
    end_progress();
    std::printf("keep %.2f: %8.2f M multiply-adds, %9zu bytes, %8.3f ms\n", keep,
                static_cast<double>(n.multiply_adds) / 1e6, bytes, ms);
    print_agreement("before refit", before);
    print_agreement("after refit", after);
  }
  return points;
}

void write_curve(const prune_job& j, const prune_command& c, const std::vector<curve_point>& points) {
  const nlohmann::json about = {{"model", std::filesystem::path(c.model).filename().string()},
                                {"threads", c.threads},
                                {"calibration_samples", j.data().count},
                                {"evaluation_samples", j.judge().count},
                                {"evaluated_on_calibration", c.evaluation.empty()}};
  const auto beside = [&](const char* ending) {
    return std::filesystem::path(c.curve).replace_extension(ending).string();
  };
  const std::string text = curve_json(points, about), drawing = curve_svg(points);
  need(write_file(c.curve.c_str(), std::as_bytes(std::span(text))), c.curve);
  need(write_file(beside(".svg").c_str(), std::as_bytes(std::span(drawing))), beside(".svg"));
  std::string trouble;
  if (!write_png(beside(".png"), curve_picture(points), trouble))
    std::printf("%s: not written: %s\n", beside(".png").c_str(), trouble.c_str());
  std::printf("%s, .svg, .png\n", c.curve.c_str());
}

void extract(const prune_command& c) {
  const owned_model level = open_level(c.model, c.extract);
  need(write_file(c.output.c_str(), level->file()), c.output);
  std::printf("%s: level %s, %zu bytes, identity %s\n", c.output.c_str(), share_text(c.extract).c_str(),
              level->file().size(), level->short_identity().data());
}

/// Models that were made one by one, as the levels of one file.
void join(const prune_command& c) {
  const owned_model large = need(owned_model::open(c.model.c_str()), c.model);
  std::vector<owned_model> files;
  std::vector<level_source> levels;
  std::size_t apart = large->file().size();
  for (const std::string& text : c.join) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) throw problem{"a level is given as SHARE=FILE", text, "e.g. 0.5=small.dsmm", 2};
    char* end = nullptr;
    const float share = std::strtof(text.c_str(), &end);
    if (end != text.c_str() + equals || !(share > 0 && share < 1))
      throw problem{"the share of a level lies between 0 and 1", text, "e.g. 0.5=small.dsmm", 2};
    const std::string path = text.substr(equals + 1);
    files.push_back(need(owned_model::open(path.c_str()), path));
    const model& level = *files.back();
    levels.push_back({share, level, prefix_pieces(*large, level)});
    apart += level.file().size();
  }
  const file_bytes bytes = need(join_levels(*large, 1.0f, levels), c.output);
  need(write_file(c.output.c_str(), bytes.bytes()), c.output);
  std::printf("%s: %zu levels, %zu bytes (%zu as files of their own)\n", c.output.c_str(), levels.size() + 1,
              bytes.bytes().size(), apart);
}

void prune_model(prune_command& c) {
  if (c.output.empty() && c.curve.empty())
    throw problem{"nothing to write", c.model, "give -o FILE.dsmm, --curve FILE.json, or both", 2};
  if (c.extract != whole_file) return extract(c);
  if (!c.join.empty()) return join(c);
  if (!c.output.empty() && c.levels.empty() && c.keep >= 1.0 && c.blocks <= 0)
    throw problem{"nothing to prune", c.model, "give --keep below 1, --levels, or --blocks", 2};
  if (!c.levels.empty() && c.output.empty()) throw problem{"--levels makes a file", c.model, "give -o FILE.dsmm", 2};
  c.how.scale = number_of(c.scale);
  const prune_job j(c);
  std::unique_ptr<pr::pruner> p;
  if (c.keep < 1.0 || !c.levels.empty() || !c.curve.empty())
    p = need(pr::pruner::open(j.graph(), j.data(), c.cuts, j.options()), c.model);
  std::vector<curve_point> points;
  if (!c.levels.empty()) points = write_levels(j, c, *p);
  else if (!c.output.empty()) write_one(j, c, p.get());
  if (c.curve.empty()) return;
  if (c.levels.empty() && c.curve_at.empty()) c.curve_at = {1.0, 0.9, 0.75, 0.6, 0.5, 0.35, 0.25, 0.15};
  if (!c.curve_at.empty()) points = points_of(j, c, *p);
  write_curve(j, c, points);
}

}  // namespace

void prune(CLI::App& app) {
  const auto c = std::make_shared<prune_command>();
  app.add_option("model", c->model, "fp32 model of dsmm import (.dsmm); with --extract any file of levels")->required();
  app.add_option("-o,--output", c->output, "the .dsmm file to write");
  app.add_option("--calibration", c->calibration,
                 "folder of PNG, JPEG or .npy samples that channels are judged and weights fitted by");
  app.add_option("--evaluate", c->evaluation,
                 "folder of other samples for the report; the calibration data by default");
  app.add_option("--keep", c->keep, "share of the multiply-adds that stays")->check(CLI::Range(0.0, 1.0));
  app.add_option("--levels", c->levels, "several shares in one file, each a subset of the one before: 1.0,0.5,0.25")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--own-weights", c->own_weights, "levels keep their refitted weights in full, not as 8-bit corrections");
  app.add_option("--extract", c->extract, "write this level of a file of levels as a file of its own")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--join", c->join, "no pruning: add other models as smaller levels, 0.5=small.dsmm,0.25=tiny.dsmm")
      ->delimiter(',');
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
                 "JSON of size, multiply-adds, latency and agreement of the levels, and drawings beside it");
  app.add_option("--curve-at", c->curve_at, "other shares for --curve")->delimiter(',')->check(CLI::Range(0.0, 1.0));
  app.add_option("--samples", c->samples, "most samples to take from a folder")->check(CLI::Range(1, 100000));
  app.add_option("--positions", c->positions, "output positions per layer that are looked at, over all samples")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  app.add_option("--damping", c->damping, "pull towards the old weights, as a share of a column's variance")
      ->check(CLI::Range(1e-9, 1e3))
      ->capture_default_str();
  declare_preprocessing(app, c->how, c->scale);
  app.add_option("--threads", c->threads, "threads; never changes a result")->check(CLI::Range(1, 256));
  app.callback([c] { prune_model(*c); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
