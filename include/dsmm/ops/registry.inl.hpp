// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/ops/definitions.hpp"
#include "dsmm/ops/registry.hpp"

namespace dsmm::inline DSMM_ABI::ops {

DSMM_INLINE const op_definition* find_definition(std::uint32_t kind, find_operator general) noexcept {
  if (is_general(kind)) return general != nullptr ? general(kind) : nullptr;
  for (const op_definition& d : definitions)
    if (static_cast<std::uint32_t>(d.kind) == kind) return &d;
  return nullptr;
}

}  // namespace dsmm::inline DSMM_ABI::ops
