// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/convert/import_options.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/file.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Turns an ONNX model into a .dsmm file of general operators in the model's own element types. Shapes become static:
/// open dimensions are taken from options.shapes, the leading one is 1 otherwise. What the file can already tell is
/// computed now, with the kernels that the session would use.
///
/// file     bytes of a .onnx file; operator sets 7 to 28 and com.microsoft's fused and quantized operators.
/// options  the kernels (ops/nd/registry.hpp), shapes and values of inputs, and the folder of external data.
/// report   what was found; on failure every node that stands in the way, with its name and the reason.
///
/// Errors: of the file (bad_magic, truncated, bad_value, bad_index, too_large), unsupported, shape_mismatch,
/// dtype_mismatch, invalid_argument (an open dimension); the failure is the first issue of the report.
/// Allocates; memory is bounded by 16 times the file plus 128 MiB.
result<file_bytes> import_onnx(std::span<const std::byte> file, const import_options& options,
                               import_report* report = nullptr);

}  // namespace dsmm::inline DSMM_ABI::convert

#if !DSMM_COMPILED
#include "dsmm/convert/onnx_import.inl.hpp"
#endif
