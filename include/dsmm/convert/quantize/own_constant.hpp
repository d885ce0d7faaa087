// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"

namespace dsmm::inline DSMM_ABI::convert::quantize_impl {

/// Makes an f32 constant that an op reads a copy which it alone reads, to be changed: the elements of the copy.
inline std::span<float> own_constant(lowered_graph& g, lowered_op& op, std::size_t input) {
  const lowered_value& from = g.values[op.inputs[input]];
  auto bytes = std::make_shared<std::vector<std::byte>>(from.bytes.begin(), from.bytes.end());
  lowered_value copy;
  copy.dims = from.dims;
  copy.is_constant = true;
  copy.bytes = *bytes;
  copy.owned = bytes;
  g.values.push_back(std::move(copy));
  op.inputs[input] = static_cast<std::uint32_t>(g.values.size() - 1);
  return {reinterpret_cast<float*>(bytes->data()), bytes->size() / sizeof(float)};
}

}  // namespace dsmm::inline DSMM_ABI::convert::quantize_impl
