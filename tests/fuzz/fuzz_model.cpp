// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as a model. The hashes are repaired first, otherwise no input would get past them.
#include "tests/fuzz/exercise.hpp"
#include "tests/model/sealed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 20) return 0;
  sealed_file file(std::as_bytes(std::span(data, size)));
  exercise(file.seal().bytes());
  return 0;
}
