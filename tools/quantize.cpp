// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/quantize.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/problem.hpp"
#include "tools/quantize/report.hpp"
#include "tools/quantize/samples.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

struct quantize_command {
  std::string model, calibration, evaluation, output, json, weights = "int4", method = "mse", ends = "int8",
                                                            input = "f32", scale = "1";
  std::size_t samples = 64, evaluation_samples = 256;
  std::uint32_t threads = 2;
  double max_loss = 1.0;
  bool nearest = false, keep_bias = false;
  preprocessing how;
  convert::quantize_options options;
};

/// A number, or a fraction like 1/255.
float number_of(const std::string& text) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (*end == '/') value /= std::strtod(end + 1, &end);
  if (text.empty() || *end != '\0' || !(value > 0 && value < 1e9))
    throw problem{"--scale must be a positive number or a fraction", text, "for example 1/255", 2};
  return static_cast<float>(value);
}

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
  o.ends_at_8 = c.ends == "int8";
  o.method = c.method == "output"    ? convert::range_method::output
             : c.method == "mse"     ? convert::range_method::mse
             : c.method == "entropy" ? convert::range_method::entropy
                                     : convert::range_method::percentile;
  o.second_order = !c.nearest;
  o.correct_bias = !c.keep_bias;
  o.max_loss = c.max_loss;
  o.run.exec = pool.handle();
  o.run.general = &find_general_op;
  o.progress = progress_bar();
  if (c.input == "u8") {
    o.input = {true, c.how.scale, c.how.mean, c.how.deviation};
  }
  const convert::sample_set samples = open_samples(m, c.calibration, c.how, c.samples, true);
  convert::sample_set others;
  if (!c.evaluation.empty()) others = open_samples(m, c.evaluation, c.how, c.evaluation_samples, false);
  convert::quantize_report report;
  const file_bytes made =
      need(convert::quantize_model(m, samples, o, &report, c.evaluation.empty() ? nullptr : &others), c.model);
  print_report(report, samples.count);
  if (!c.json.empty()) write_json(report, o, samples.count, c.json);
  if (report.loss > o.max_loss && bound_was_given)
    throw problem{"even with all layers at 8 bits the noise in its outputs is " + text_of_percent(report.loss),
                  c.model, "allow more with --max-loss, or calibrate on data that look like the model's inputs"};
  need(write_file(c.output.c_str(), made.bytes()), c.output);
  std::printf("%s: %zu bytes\n", c.output.c_str(), made.bytes().size());
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
  app.add_option("--group", c->options.group, "int4 weights per integer scale; 0: one scale per channel")
      ->check(CLI::IsMember({0, 32, 64, 128}))
      ->capture_default_str();
  app.add_option("--ends", c->ends, "weights of the first and last layers")
      ->check(CLI::IsMember({"int4", "int8"}))
      ->capture_default_str();
  CLI::Option* const bound =
      app.add_option("--max-loss", c->max_loss, "percent of noise allowed in the worst output (1 is 20 dB); layers go "
                                                "to 8 bits until it holds")
          ->capture_default_str();
  app.add_option("--method", c->method, "activation ranges by: output (least noise in the outputs), mse (in the "
                                          "values), percentile, entropy")
      ->check(CLI::IsMember({"output", "mse", "percentile", "entropy"}))
      ->capture_default_str();
  app.add_option("--percentile", c->options.percentile, "of --method percentile")->check(CLI::Range(50.0, 100.0));
  app.add_option("--samples", c->samples, "calibration samples, evenly chosen")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--scale", c->scale, "pixels are multiplied by it first: 1, 1/255")->capture_default_str();
  app.add_option("--mean", c->how.mean, "subtracted from scaled pixels, per channel")->delimiter(',');
  app.add_option("--std", c->how.deviation, "divides what is left, per channel")->delimiter(',');
  app.add_option("--channels", c->how.channels, "order of a picture's channels: rgb, bgr")
      ->check(CLI::IsMember({"rgb", "bgr"}));
  app.add_option("--layout", c->how.layout, "of the input: auto, nchw, nhwc")
      ->check(CLI::IsMember({"auto", "nchw", "nhwc"}));
  app.add_flag("--stretch", c->how.stretch, "use whole pictures, not their middle in the input's shape");
  app.add_option("--input", c->input, "f32: as the model has it; u8: images (H, W, C), normalised inside")
      ->check(CLI::IsMember({"f32", "u8"}))
      ->capture_default_str();
  app.add_flag("--nearest", c->nearest, "plain rounding of the weights, without second moments");
  app.add_option("--equalize", c->options.equalize, "even out the channels of activations: 0 not, 0.5 half, 1 fully")
      ->check(CLI::IsMember({0.0, 0.5, 1.0}))
      ->capture_default_str();
  app.add_option("--split", c->options.split, "multiply-adds that slicing loud channels may add, as a share (--method "
                                              "output); 0: no slices")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--keep-bias", c->keep_bias, "no bias correction");
  app.add_option("-e,--evaluate", c->evaluation, "other data to compare the two models on");
  app.add_option("--evaluation-samples", c->evaluation_samples, "at most so many of them")->capture_default_str();
  app.add_option("--json", c->json, "write the report to this file too");
  app.add_option("--threads", c->threads, "threads; never changes a result")->check(CLI::Range(1, 256));
  app.callback([c, bound] { quantize_model(*c, bound->count() != 0); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
