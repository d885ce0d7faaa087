// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A value that the importer is told, so that what depends on it can be folded.
struct known_value {
  dtype type = dtype::f32;
  dim_list dims;
  std::vector<std::byte> bytes;  ///< dense, row-major
};

struct import_options {
  ops::find_operator general = nullptr;  ///< &ops::nd::find_definition: the kernels with which constants are folded
  std::map<std::string, dim_list, std::less<>> shapes;     ///< of inputs, where the file leaves dimensions open
  std::map<std::string, known_value, std::less<>> values;  ///< of inputs that then are constants
  std::optional<std::string> folder;  ///< where external data may lie: the model's folder; none are read without it
  bool integers = false;  ///< run quantized layers on the integer kernels where those can say the same: adopt_grids()
  bool fuse = true;                   ///< merge batch norms and activations into convolutions and the like
};

/// What stands in the way of an import: a node, or an input (op is then empty).
struct import_issue {
  std::string node, op;
  errc code = errc::ok;
  std::string reason;
};

/// What an import found; filled also when it fails.
struct import_report {
  std::string producer;
  std::int64_t opset = 0;
  std::size_t nodes = 0;                                           ///< of the main graph
  std::map<std::string, std::size_t> operators;                    ///< how often each is used
  std::vector<import_issue> issues;                                ///< all of them, not only the first
  std::vector<std::pair<std::string, std::int64_t>> open_outputs;  ///< whose length depends on data: name and axis
  std::vector<std::string> needed_values;  ///< inputs whose values would have to be known (options.values)
};

}  // namespace dsmm::inline DSMM_ABI::convert
