// SPDX-License-Identifier: Apache-2.0
#include "tests/convert/general_ops.hpp"

#include "dsmm/ops/nd/registry.hpp"

const dsmm::ops::op_definition* find_general_op(std::uint32_t kind) noexcept {
  return dsmm::ops::nd::find_definition(kind);
}
