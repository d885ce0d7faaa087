// SPDX-License-Identifier: Apache-2.0
#include "tools/prune/levels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "dsmm/convert/prune/block_sparsity.hpp"
#include "dsmm/convert/prune/nested_levels.hpp"
#include "dsmm/model/level_writer.hpp"
#include "tools/level.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

namespace pr = convert::prune;

/// A level on its way into the file.
struct level_part {
  convert::lowered_graph graph, addresses;
  file_bytes file;
};

void print_row(const curve_point& p) {
  std::printf("%6s %12.2f %11zu %11zu %9.3f %9.2f %9.2f", share_text(p.keep).c_str(),
              static_cast<double>(p.multiply_adds) / 1e6, p.bytes, p.stored, p.milliseconds, p.cut_db, p.db);
  if (p.top1 >= 0) std::printf(" %9.2f", 100 * p.top1);
  std::printf("\n");
}

}  // namespace

std::vector<curve_point> write_levels(const prune_job& job, const prune_command& c, const pr::pruner& pruner) {
  std::vector<double> shares = c.levels;
  std::sort(shares.begin(), shares.end(), std::greater<>());
  shares.erase(std::unique(shares.begin(), shares.end()), shares.end());
  if (shares.size() > format::max_levels + 1 || shares.back() <= 0)
    throw problem{"--levels takes 1 to 16 shares above 0", c.model, "see dsmm prune --help", 2};
  const convert::lowered_graph tags = pr::addresses_of(job.graph());
  std::vector<curve_point> points;
  std::vector<level_part> parts;
  std::vector<level_source> levels;
  parts.reserve(shares.size());  // models look at the bytes of their files
  std::optional<model> base;
  for (const double share : shares) {
    pr::pruned_network n = need(pruner.prune(share), c.model);
    const pr::agreement before = job.agreement_of(n.cut);
    if (c.blocks > 0) {
      pr::sparse_network s = need(pr::prune_blocks(n.refitted, job.data(), {.drop = c.blocks}, job.options()), c.model);
      n.refitted = std::move(s.refitted), n.multiply_adds = s.multiply_adds;
    }
    level_part part{std::move(n.refitted), need(pruner.cut(tags, share), c.model), {}};
    std::vector<piece_plan> pieces;
    if (base) {
      // Blocks of zeros would not stay zero under a correction.
      pieces = pr::nest_level(job.graph(), parts[0].graph, parts[0].addresses, *base, part.graph, part.addresses,
                              !c.own_weights && c.blocks <= 0);
    }
    const pr::agreement after = job.agreement_of(part.graph);
    part.file = job.bytes_of(part.graph, measured(share, after));
    parts.push_back(std::move(part));
    const model m = need(model::open(std::as_const(parts.back().file).bytes()), c.output);
    if (base) levels.push_back({static_cast<float>(share), m, std::move(pieces)});
    else base.emplace(m);
    points.push_back({share, n.multiply_adds, m.file().size(), m.file().size(), job.milliseconds_of(parts.back().graph),
                      before.sqnr_db, after.sqnr_db, before.top1, after.top1});
  }
  end_progress();
  const file_bytes file = need(join_levels(*base, static_cast<float>(shares[0]), levels), c.output);
  need(write_file(c.output.c_str(), file.bytes()), c.output);
  const model joined = need(model::open(file.bytes()), c.output);
  std::size_t apart = points[0].bytes;
  for (std::size_t k = 1; k < points.size(); ++k) {
    const format::level_row& row = joined.levels()[k - 1];
    points[k].stored = static_cast<std::size_t>(row.graph_length + row.strings_length + row.meta_length +
                                                row.selftest_length + row.pieces_length);
    apart += points[k].bytes;
  }
  std::printf("%s: %zu levels in %zu bytes; as files of their own they would take %zu\n", c.output.c_str(),
              points.size(), file.bytes().size(), apart);
  std::printf("%6s %12s %11s %11s %9s %9s %9s%s\n", "level", "M mult-adds", "bytes alone", "stored", "fp32 ms",
              "cut dB", "SQNR dB", points[0].top1 >= 0 ? "   top-1 %" : "");
  for (const curve_point& p : points) print_row(p);
  for (const curve_point& p : points)
    if (static_cast<double>(p.multiply_adds) > p.keep * static_cast<double>(pruner.full_cost()))
      std::printf("level %s: every layer is at its floor; --floor and --multiple say how much it keeps\n",
                  share_text(p.keep).c_str());
  return points;
}

}  // namespace dsmm::inline DSMM_ABI::tools
