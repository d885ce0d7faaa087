// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// How pictures become the input of a model: (pixel * scale - mean[c]) / deviation[c].
struct preprocessing {
  float scale = 1.0f;
  std::vector<float> mean, deviation;
  std::string channels = "rgb";  ///< rgb, bgr
  std::string layout = "auto";   ///< auto, nchw, nhwc
  bool stretch = false;          ///< the whole picture, instead of its middle in the input's shape
};

/// The samples of a folder or file, at most `limit`, evenly chosen from all in the order of their names: pictures (PNG,
/// JPEG) for a model with one image input, or .npy files. An .npy file of several inputs' worth is a batch; a model
/// with several inputs takes files named NAME.npy or NAME_anything.npy.
/// Sorted by path, so the same folder gives the same samples. With `keep`, each is decoded once.
/// Throws problem.
convert::sample_set open_samples(const model& m, const std::string& path, const preprocessing& how, std::size_t limit,
                                 bool keep);

}  // namespace dsmm::inline DSMM_ABI::tools
