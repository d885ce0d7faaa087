// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/quantize.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/level_writer.hpp"
#include "dsmm/model/levels.hpp"
#include "dsmm/model/model.hpp"
#include "tools/calibration/preprocessing.hpp"
#include "tools/calibration/samples.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/level.hpp"
#include "tools/problem.hpp"
#include "tools/quantize/page.hpp"
#include "tools/quantize/report.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

struct quantize_command {
  std::string model, calibration, evaluation, output, json, page, weights = "int4", method = "mse", ends = "int8",
                                                                  input = "f32", scale = "1", group = "auto";
  std::size_t samples = 64, evaluation_samples = 256;
  std::uint32_t threads = 2;
  double max_loss = 1.0;
  bool nearest = false, keep_bias = false, keep_integers = false;
  preprocessing how;
  convert::quantize_options options;
};

/// One line on stderr that fills up; only where a person watches.
convert::progress_call progress_bar() {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [](const char* stage, std::size_t done, std::size_t total) {
    const std::size_t width = 30, filled = total == 0 ? width : done * width / total;
    std::fprintf(stderr, "\r%-9s [%s%s] %zu/%zu ", stage, std::string(filled, '#').c_str(),
                 std::string(width - filled, ' ').c_str(), done, total);
    if (done >= total) std::fprintf(stderr, "\r%60s\r", "");
    std::fflush(stderr);
  };
}

/// One network, with its report printed; `first` of a file also as JSON.
file_bytes quantize_one(const model& m, const quantize_command& c, bool bound_was_given, bool first) {
  const convert::sample_set samples = open_samples(m, c.calibration, c.how, c.samples, true);
  convert::sample_set others;
  if (!c.evaluation.empty()) others = open_samples(m, c.evaluation, c.how, c.evaluation_samples, false);
  convert::quantize_report report;
  file_bytes made =
      need(convert::quantize_model(m, samples, c.options, &report, c.evaluation.empty() ? nullptr : &others), c.model);
  print_report(report, c.options, samples.count);
  if (first && !c.json.empty()) write_json(report, c.options, samples.count, c.json);
  if (first && !c.page.empty()) {
    const std::string page = quantize_page(report, c.model, samples.count);
    need(write_file(c.page.c_str(), std::as_bytes(std::span(page))), c.page);
    std::printf("report: %s\n", c.page.c_str());
  }
  if (report.loss > c.options.max_loss && bound_was_given)
    throw problem{std::string("even with all layers at 8 bits") + (c.keep_integers ? "" : " or in f32") +
                      " the noise in its outputs is " + text_of_percent(report.loss),
                  c.model,
                  std::string("allow more with --max-loss") +
                      (c.keep_integers ? ", or layers in f32, without --keep-integers" : "") +
                      ", or calibrate on data that look like the model's inputs"};
  return made;
}

void quantize_model(quantize_command& c, bool bound_was_given) {
  if (c.calibration.empty())
    throw problem{"no calibration data", "--calibration",
                  "give a folder of images or .npy files like those that the model will see; without them the ranges "
                  "of its activations cannot be known"};
  const file_bytes file = need(read_file(c.model.c_str()), c.model);
  const model m = need(model::open(file.bytes()), c.model);
  thread_pool pool(c.threads);
  c.how.scale = number_of(c.scale);
  convert::quantize_options& o = c.options;
  o.bits = c.weights == "int4" ? 4 : 8;
  o.group = c.group == "auto" ? convert::auto_group : static_cast<std::int32_t>(std::stoi(c.group));
  o.ends_at_8 = c.ends == "int8";
  o.method = c.method == "output"    ? convert::range_method::output
             : c.method == "mse"     ? convert::range_method::mse
             : c.method == "entropy" ? convert::range_method::entropy
                                     : convert::range_method::percentile;
  o.second_order = !c.nearest;
  o.correct_bias = !c.keep_bias;
  o.max_loss = c.max_loss;
  o.f32_for_loss = bound_was_given && !c.keep_integers;
  o.run.exec = pool.handle();
  o.run.general = &find_general_op;
  o.progress = progress_bar();
  if (c.input == "u8") {
    o.input = {true, c.how.scale, c.how.mean, c.how.deviation};
  }
  const bool nested = !m.levels().empty();
  std::vector<owned_model> sources;
  std::vector<file_bytes> made;
  for (std::uint32_t k = 0; k < level_count(m); ++k) {  // a level is a network of its own: own ranges, own rounding
    if (nested) std::printf("level %s\n", share_text(static_cast<double>(level_share(m, k))).c_str());
    if (k != 0) sources.push_back(need(extract_level(m, k), c.model));
    made.push_back(quantize_one(k == 0 ? m : *sources.back(), c, bound_was_given, k == 0));
  }
  file_bytes joined;
  if (nested) {
    const model large = need(model::open(std::as_const(made[0]).bytes()), c.output);
    std::vector<level_source> levels;
    for (std::uint32_t k = 1; k < level_count(m); ++k) {
      const model small = need(model::open(std::as_const(made[k]).bytes()), c.output);
      levels.push_back({level_share(m, k), small, prefix_pieces(large, small)});
    }
    joined = need(join_levels(large, level_share(m, 0), levels), c.output);
  }
  const std::span<const std::byte> bytes = nested ? std::as_const(joined).bytes() : std::as_const(made[0]).bytes();
  need(write_file(c.output.c_str(), bytes), c.output);
  std::printf("%s: %zu bytes\n", c.output.c_str(), bytes.size());
}

}  // namespace

void quantize(CLI::App& app) {
  const auto c = std::make_shared<quantize_command>();
  app.add_option("model", c->model, "fp32 model, made by dsmm import (.dsmm)")->required();
  app.add_option("-c,--calibration", c->calibration, "folder of PNG, JPEG or .npy files like those the model will see");
  app.add_option("-o,--output", c->output, "the .dsmm file to write")->required();
  app.add_option("--weights", c->weights, "int4 or int8")
      ->check(CLI::IsMember({"int4", "int8"}))
      ->capture_default_str();
  app.add_option("--group", c->group,
                 "int4 weights per integer scale; 0: one scale per channel; auto: 32, but 64 in layers of at most 64 "
                 "pixels")
      ->check(CLI::IsMember({"auto", "0", "32", "64", "128"}))
      ->capture_default_str();
  app.add_option("--ends", c->ends, "weights of the first and last layers")
      ->check(CLI::IsMember({"int4", "int8"}))
      ->capture_default_str();
  app.add_option("--widen", c->options.widen,
                 "bytes that small layers may add by staying at 8 bits, as a share of all weights (int4); 0: none")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  CLI::Option* const bound = app.add_option("--max-loss", c->max_loss,
                                            "percent of noise allowed in the worst output (1 is 20 dB); layers go "
                                            "to 8 bits, then to f32, until it holds")
                                 ->capture_default_str();
  app.add_option("--method", c->method,
                 "activation ranges by: output (least noise in the outputs), mse (in the "
                 "values), percentile, entropy")
      ->check(CLI::IsMember({"output", "mse", "percentile", "entropy"}))
      ->capture_default_str();
  app.add_option("--percentile", c->options.percentile, "of --method percentile")->check(CLI::Range(50.0, 100.0));
  app.add_option("--samples", c->samples, "calibration samples, evenly chosen")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  declare_preprocessing(app, c->how, c->scale);
  app.add_option("--input", c->input, "f32: as the model has it; u8: images (H, W, C), normalised inside")
      ->check(CLI::IsMember({"f32", "u8"}))
      ->capture_default_str();
  app.add_flag("--nearest", c->nearest, "plain rounding of the weights, without second moments");
  app.add_option("--equalize", c->options.equalize, "even out the channels of activations: 0 not, 1 fully")
      ->check(CLI::IsMember({0.0, 0.25, 0.5, 0.75, 1.0}))
      ->capture_default_str();
  app.add_option("--headroom", c->options.headroom,
                 "how much wider ranges that disturb the outputs little may become, for values beyond those of the "
                 "samples (--method output)")
      ->check(CLI::Range(1.0, 4.0))
      ->capture_default_str();
  app.add_option("--split", c->options.split,
                 "multiply-adds that slicing loud channels may add, as a share (--method "
                 "output); 0: no slices")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--keep-bias", c->keep_bias, "no bias correction");
  app.add_flag("--keep-integers", c->keep_integers, "no layer goes to f32 for --max-loss");
  app.add_option("-e,--evaluate", c->evaluation, "other data to compare the two models on");
  app.add_option("--evaluation-samples", c->evaluation_samples, "at most so many of them")->capture_default_str();
  app.add_option("--json", c->json, "write the report to this file too");
  app.add_option("--report", c->page, "write a page with the noise of each layer and the worst layers' ranges (HTML)");
  app.add_option("--threads", c->threads, "threads; never changes a result")->check(CLI::Range(1, 256));
  app.callback([c, bound] { quantize_model(*c, bound->count() != 0); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
