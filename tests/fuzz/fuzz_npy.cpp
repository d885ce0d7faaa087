// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as a .npy file.
#include "tools/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto array = dsmm::tools::parse_npy(std::as_bytes(std::span(data, size)));
  if (!array) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < array->count(); ++i) switch (array->type) {
      using enum dsmm::tools::npy_type;
      case u8: sum += array->element<std::uint8_t>(i); break;
      case i8: sum += array->element<std::int8_t>(i); break;
      case i16: sum += array->element<std::int16_t>(i); break;
      case i32: sum += array->element<std::int32_t>(i); break;
      case i64: sum += static_cast<double>(array->element<std::int64_t>(i)); break;
      case f32: sum += static_cast<double>(array->element<float>(i)); break;
      case f64: sum += array->element<double>(i); break;
    }
  volatile double keep = sum;
  (void)keep;
  return 0;
}
