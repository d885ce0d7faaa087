// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/prune/agreement.hpp"
#include "dsmm/convert/prune/pruner.hpp"
#include "dsmm/core/thread_pool.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/calibration/sample_folder.hpp"
#include "tools/calibration/samples.hpp"
#include "tools/general_ops.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

using meta_lines = std::vector<std::pair<std::string, std::string>>;

struct prune_command {
  std::string model, output, calibration, evaluation, curve;
  preprocessing how{};
  std::string scale = "1";
  double keep = 1.0, blocks = 0.0, extract = -1;
  std::vector<double> levels{}, curve_at{};
  std::vector<std::string> join{};  ///< SHARE=FILE
  bool own_weights = false;
  convert::prune::cut_options cuts{};
  std::int64_t positions = 16384;
  double damping = 0.01;
  std::size_t samples = 128;
  std::uint32_t threads = 1;
};

inline void end_progress() {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
}

/// One run of `prune`: the original network, data, and what it computes on data that nothing is fitted to.
class prune_job {
public:
  explicit prune_job(const prune_command& c)
      : c_(c),
        pool_(c.threads),
        file_(need(owned_model::open(c.model.c_str()), c.model)),
        meta_(convert::meta_of(*file_)),
        graph_(need(convert::read_graph(*file_), c.model)) {
    if (c.calibration.empty())
      throw problem{"pruning needs data that looks like what the model will see", c.model,
                    "give --calibration DIR with some tens of pictures or .npy samples"};
    data_ = open(c.calibration, folders_[0]);
    judge_ = c.evaluation.empty() ? data_ : open(c.evaluation, folders_[1]);
    options_.positions = c.positions;
    options_.damping = c.damping;
    options_.session.exec = pool_.handle();
    options_.session.general = &find_general_op;
    options_.progress = [](const char* stage, std::size_t done, std::size_t total) {
      if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s %zu / %zu", stage, done, total);
    };
    original_ = need(convert::prune::record_outputs(graph_, judge_, options_.session), c.model);
  }

  const convert::lowered_graph& graph() const noexcept { return graph_; }
  const convert::sample_set& data() const noexcept { return data_; }
  const convert::sample_set& judge() const noexcept { return judge_; }
  const convert::prune::observe_options& options() const noexcept { return options_; }

  convert::prune::agreement agreement_of(const convert::lowered_graph& g) const {
    const auto outputs = need(convert::prune::record_outputs(g, judge_, options_.session), c_.model);
    return convert::prune::compare_outputs(graph_, original_, outputs);
  }
  /// With the META of the original, which `more` replaces key by key.
  file_bytes bytes_of(convert::lowered_graph g, const meta_lines& more) const {
    meta_lines meta = meta_;
    meta.insert(meta.end(), more.begin(), more.end());
    return need(convert::emit_model(g, meta), c_.output);
  }
  /// Median of single runs over 0.4 s after a warm-up.
  double milliseconds_of(const convert::lowered_graph& g) const {
    const auto run = need(convert::sample_run::prepare(g, {}, false, options_.session), c_.model);
    need(run->run(judge_, 0), c_.model);
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
  /// Pictures and arrays as `dsmm quantize` takes them; for several inputs also DIR/INPUT/*.npy.
  convert::sample_set open(const std::string& path, std::optional<sample_folder>& folder) const {
    if (graph_.inputs.size() > 1 && std::filesystem::is_directory(path + "/" + graph_.inputs[0].name))
      return folder.emplace(graph_, path, c_.samples).set();
    return open_samples(*file_, path, c_.how, c_.samples, true);
  }

  const prune_command& c_;
  thread_pool pool_;
  owned_model file_;
  meta_lines meta_;
  convert::lowered_graph graph_;
  std::optional<sample_folder> folders_[2];
  convert::sample_set data_, judge_;
  convert::prune::observe_options options_;
  convert::prune::output_record original_;
};

inline void print_agreement(const char* what, const convert::prune::agreement& a) {
  std::printf("  %-14s SQNR %6.2f dB", what, a.sqnr_db);
  if (a.top1 >= 0) std::printf(", same top-1 %6.2f %%", 100 * a.top1);
  std::printf("\n");
}

/// What was measured of a pruned network, for its META and `dsmm info`.
inline meta_lines measured(double keep, const convert::prune::agreement& a) {
  const auto text = [](const char* format, double v) {
    char buffer[32];
    std::snprintf(buffer, sizeof(buffer), format, v);
    return std::string(buffer);
  };
  meta_lines out = {{"pruned.keep", text("%.4g", keep)}, {"pruned.sqnr_db", text("%.2f", a.sqnr_db)}};
  if (a.top1 >= 0) out.emplace_back("pruned.top1_agreement", text("%.4f", a.top1));
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::tools
