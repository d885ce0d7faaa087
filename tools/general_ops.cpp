// SPDX-License-Identifier: Apache-2.0
#include "tools/general_ops.hpp"

#include "dsmm/convert/onnx_import.hpp"
#include "dsmm/ops/nd/registry.hpp"

namespace dsmm::inline DSMM_ABI::tools {

const ops::op_definition* find_general_op(std::uint32_t kind) noexcept { return ops::nd::find_definition(kind); }

result<file_bytes> import_graph(std::span<const std::byte> file, const convert::import_options& options,
                                convert::import_report& report) {
  convert::import_options all = options;
  all.general = &ops::nd::find_definition;
  return convert::import_onnx(file, all, &report);
}

}  // namespace dsmm::inline DSMM_ABI::tools
