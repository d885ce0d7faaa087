// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "tools/calibration/samples.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// A number, or a fraction like 1/255. Throws problem.
inline float number_of(const std::string& text) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (*end == '/') value /= std::strtod(end + 1, &end);
  if (text.empty() || *end != '\0' || !(value > 0 && value < 1e9))
    throw problem{"--scale must be a positive number or a fraction", text, "for example 1/255", 2};
  return static_cast<float>(value);
}

/// The options that say how calibration pictures become inputs; `scale` is for number_of().
inline void declare_preprocessing(CLI::App& app, preprocessing& how, std::string& scale) {
  app.add_option("--scale", scale, "pixels are multiplied by it first: 1, 1/255")->capture_default_str();
  app.add_option("--mean", how.mean, "subtracted from scaled pixels, per channel")->delimiter(',');
  app.add_option("--std", how.deviation, "divides what is left, per channel")->delimiter(',');
  app.add_option("--channels", how.channels, "order of a picture's channels: rgb, bgr")
      ->check(CLI::IsMember({"rgb", "bgr"}));
  app.add_option("--layout", how.layout, "of the input: auto, nchw, nhwc")
      ->check(CLI::IsMember({"auto", "nchw", "nhwc"}));
  app.add_flag("--stretch", how.stretch, "use whole pictures, not their middle in the input's shape");
}

}  // namespace dsmm::inline DSMM_ABI::tools
