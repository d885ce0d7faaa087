// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as an ONNX file. What imports must also pass the verifier, which import_onnx runs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "dsmm/convert/onnx_import.hpp"
#include "tests/convert/general_ops.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dsmm::convert::import_options options;
  options.general = &find_general_op;
  options.fuse = size % 2 == 0;
  const auto imported = dsmm::convert::import_onnx(std::as_bytes(std::span(data, size)), options);
  if (!imported && imported.error().text[0] == '\0') std::abort();  // a failure says why
  return 0;
}
