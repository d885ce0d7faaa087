// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/convert/import_options.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// What needs the kernels of all general operators is compiled once, in general_ops.cpp.

/// ops::nd::find_definition, for session_options::general.
const ops::op_definition* find_general_op(std::uint32_t kind) noexcept;

/// convert::import_onnx.
result<file_bytes> import_graph(std::span<const std::byte> file, const convert::import_options& options,
                                convert::import_report& report);

}  // namespace dsmm::inline DSMM_ABI::tools
