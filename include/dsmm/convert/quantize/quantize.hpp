// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/progress.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/quantize/agreement.hpp"
#include "dsmm/convert/quantize/input_form.hpp"
#include "dsmm/convert/quantize/range.hpp"
#include "dsmm/convert/quantize/seen_activations.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A group of 32, or of 64 in layers of at most 64 pixels: those keep their nibbles in AMX tiles, which want one scale
/// for 64 weights; of more pixels, groups of 32 take no more time than larger ones.
inline constexpr std::int32_t auto_group = -1;

struct quantize_options {
  std::int32_t bits = 4;             ///< of weights: 4 or 8
  std::int32_t group = auto_group;   ///< weights per integer scale: auto_group, 0 (one per channel), 32, 64, 128
  bool ends_at_8 = true;             ///< the first layers and the last ones stay at 8 bits
  double widen = 0.1;                ///< bytes that small layers may add by staying at 8 bits, as a share
  range_method method = range_method::mse;
  std::size_t tune_samples = 16;     ///< that each trial of range_method::output runs
  double split = 0.1;                ///< with range_method::output: multiply-adds that slices may add, as a share
  double headroom = 1.3;             ///< with range_method::output: how much wider ranges of little effect may become
  double percentile = 99.99;         ///< of range_method::percentile
  bool second_order = true;          ///< rounding that minimises the error of the output, not of the weights
  bool correct_bias = true;
  double equalize = 0.5;             ///< strength with which channels of one activation are evened out, in quarters
  double max_loss = 1.0;             ///< percent of noise in the worst output; layers go to 8 bits until it holds
  bool f32_for_loss = false;         ///< and then to f32, if this is set
  std::size_t blame_samples = 8;     ///< that each trial of what should go to f32 runs
  std::size_t positions = 4096;      ///< pixels per layer that its second moments are taken from
  input_form input{};
  session_options run{};             ///< general must be set: the fp32 model runs on general operators
  progress_call progress{};
};

struct layer_report {
  std::string name;
  op_kind kind{};
  std::int32_t bits = 8, group = 0;  ///< of the weights; 32: the layer runs in f32 because of the loss
  double sqnr_db = 0;  ///< of its output, from the rounding of its own weights
  std::size_t parameters = 0, bytes = 0, bytes_fp32 = 0;
  bool is_end = false, is_small = false, fell_back = false;  ///< 8 bits because of its place; its size; the loss
  seen_activations reads{};
};

struct quantize_report {
  std::vector<layer_report> layers;
  std::size_t integer_ops = 0, general_ops = 0;
  std::size_t added_channels = 0;  ///< slices of loud channels
  std::size_t bytes = 0, bytes_fp32 = 0;
  std::vector<output_agreement> calibration, evaluation;
  double loss = 0;           ///< percent, on calibration samples that shaped no weights, if there are 16 samples
  std::size_t held_out = 0;  ///< how many these are
};

/// Turns an fp32 model of general operators, as import_onnx() makes it, into one that runs on integers.
///
/// samples     calibration data: ranges, second moments and biases come from it; a few dozen like those of the line.
/// evaluation  other data on which the result is compared with the fp32 model; nullptr: none.
///
/// The same model, samples and options give the same bytes. Errors: invalid_argument (no samples), unsupported,
/// bad_value (activations that are not finite, scales that do not fit), those of session and of the samples.
result<file_bytes> quantize_model(const model& m, const sample_set& samples, const quantize_options& options,
                                  quantize_report* report = nullptr, const sample_set* evaluation = nullptr);

}  // namespace dsmm::inline DSMM_ABI::convert

#if !DSMM_COMPILED
#include "dsmm/convert/quantize/quantize.inl.hpp"
#endif
