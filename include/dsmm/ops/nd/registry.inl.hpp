// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/ops/nd/definitions.hpp"
#include "dsmm/ops/nd/registry.hpp"

namespace dsmm::inline DSMM_ABI::ops::nd {

DSMM_INLINE const op_definition* find_definition(std::uint32_t kind) noexcept {
  for (const op_definition& d : definitions)
    if (static_cast<std::uint32_t>(d.kind) == kind) return &d;
  return nullptr;
}

}  // namespace dsmm::inline DSMM_ABI::ops::nd
